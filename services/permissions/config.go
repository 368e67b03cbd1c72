package permissions

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

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
	Projection    Projection `yaml:"projection,omitempty"`
}

// Projection says how organizations are kept in memory. The zero value is every default.
type Projection struct {
	// MaxBytes bounds all of them together, as estimated; default 512 MiB.
	MaxBytes int64 `yaml:"max_bytes,omitempty"`
	// Poll is how often their versions are compared with the database's; default 250 ms. What no event told of is answered
	// from after so long.
	Poll time.Duration `yaml:"poll,omitempty"`
	// MaxUnconfirmed is how long after the last such comparison they are answered from; default 2 s. With the database
	// gone for longer, questions are refused.
	MaxUnconfirmed time.Duration `yaml:"max_unconfirmed,omitempty"`
}

func (p Projection) validate() error {
	switch {
	case p.MaxBytes < 0 || p.Poll < 0 || p.MaxUnconfirmed < 0:
		return errors.New("projection: max_bytes, poll and max_unconfirmed must not be negative")
	case p.Poll != 0 && p.Poll < 10*time.Millisecond:
		return fmt.Errorf("projection.poll: %s would keep the database busy with nothing else; 10ms at least", p.Poll)
	case p.MaxUnconfirmed != 0 && p.MaxUnconfirmed <= p.Poll:
		return fmt.Errorf("projection.max_unconfirmed: %s must be longer than poll, or every question would wait for the database", p.MaxUnconfirmed)
	}
	return nil
}

// Validate checks the shared part, the projection and the key.
func (c Config) Validate() error {
	return errors.Join(c.Common.Validate(), c.Projection.validate(), c.NeedKeys(config.PurposeAnswer))
}

// Migrations are its tables, the platform's first.
func Migrations() []fs.FS {
	return []fs.FS{outbox.Migrations, idempotency.Migrations, postgres.Migrations}
}

// Migrate brings the service's tables up to date, as their owner.
func Migrate(ctx context.Context, cfg Config) error {
	return database.Migrate(ctx, cfg.Database.MigrateURL.Reveal(), database.Engine(cfg.Database.Engine), Schema, Migrations()...)
}
