package permissions

import (
	"context"
	"errors"
	"io/fs"

	"github.com/cardea-mesh/cardea/services/permissions/internal/postgres"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
)

// Service is this service's name in the mesh, in tokens and in subjects.
const Service = postgres.Service

// Schema is where its tables are, and the name of its role there.
const Schema = "permissions"

// Config is what the service is told. Of the keys it uses those of purpose `answer`; there must be one.
type Config struct {
	config.Common `yaml:",inline"`
}

// Validate checks the shared part and the key.
func (c Config) Validate() error {
	return errors.Join(c.Common.Validate(), c.NeedKeys(config.PurposeAnswer))
}

// Migrations are its tables, the platform's first.
func Migrations() []fs.FS {
	return []fs.FS{outbox.Migrations, idempotency.Migrations, postgres.Migrations}
}

// Migrate brings the service's tables up to date, as their owner.
func Migrate(ctx context.Context, cfg Config) error {
	return database.Migrate(ctx, cfg.Database.MigrateURL.Reveal(), database.Engine(cfg.Database.Engine), Schema, Migrations()...)
}
