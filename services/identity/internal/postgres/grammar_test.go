package postgres_test

import (
	"io/fs"
	"testing"

	"github.com/cardea-mesh/cardea/services/identity/internal/postgres"
	"github.com/cardea-mesh/cardea/services/platform/dbtest/grammar"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
)

func TestCockroachDBAcceptsEveryStatement(t *testing.T) {
	t.Parallel()
	sets := []fs.FS{outbox.Migrations, idempotency.Migrations, postgres.Migrations()}
	grammar.Check(t, "identity", sets, "..")
}
