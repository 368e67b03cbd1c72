package postgres_test

import (
	"testing"

	"github.com/cardea-mesh/cardea/services/permissions"
	"github.com/cardea-mesh/cardea/services/platform/dbtest/grammar"
)

func TestCockroachTakesEveryStatement(t *testing.T) {
	grammar.Check(t, permissions.Schema, permissions.Migrations(), ".")
}
