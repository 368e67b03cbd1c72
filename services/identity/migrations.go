package identity

import (
	"io/fs"

	"github.com/cardea-mesh/cardea/services/identity/internal/postgres"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
)

// Migrations are the sets of the service's schema: the platform's tables, then its own.
func Migrations() []fs.FS {
	return []fs.FS{outbox.Migrations, idempotency.Migrations, postgres.Migrations()}
}
