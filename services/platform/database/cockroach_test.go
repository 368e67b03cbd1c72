package database_test

import (
	"slices"
	"testing"

	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/dbtest/grammar"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

func layout(t *testing.T, more ...region.Region) database.Layout {
	return database.Layout{
		Database: "cardea",
		Regions:  append(append(dbtest.EU(t), dbtest.US(t)...), more...),
		Services: []database.Service{{Schema: "bank", OwnerPassword: `it's a \ password`}},
	}
}

func TestTheBootstrapOfCockroachDB(t *testing.T) {
	got := database.CockroachStatements(layout(t))
	want := []string{
		`CREATE DATABASE IF NOT EXISTS "cardea"`,
		`ALTER DATABASE "cardea" SET PRIMARY REGION "eu-central"`,
		`ALTER DATABASE "cardea" ADD REGION IF NOT EXISTS "eu-west"`,
		`ALTER DATABASE "cardea" ADD REGION IF NOT EXISTS "us-east"`,
		`SET enable_super_regions = 'on'`,
		`ALTER DATABASE "cardea" ADD SUPER REGION "eu" VALUES "eu-central", "eu-west"`,
		`ALTER DATABASE "cardea" ADD SUPER REGION "us" VALUES "us-east"`,
		`ALTER DATABASE "cardea" SURVIVE ZONE FAILURE`,
	}
	if !slices.Equal(got[:len(want)], want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, sql := range append(got, database.CockroachStatements(layout(t), "eu", "us")...) {
		if err := grammar.Parse(sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func TestRegionFailureIsSurvivedOnlyWhereEveryJurisdictionHasThreeRegions(t *testing.T) {
	eu := region.Region{Name: "eu-north", Code: "eun", Jurisdiction: "eu"}
	usTwo := region.Region{Name: "us-west", Code: "usw", Jurisdiction: "us"}
	usThree := region.Region{Name: "us-central", Code: "usc", Jurisdiction: "us"}
	const zone, all = `ALTER DATABASE "cardea" SURVIVE ZONE FAILURE`, `ALTER DATABASE "cardea" SURVIVE REGION FAILURE`
	for _, c := range []struct {
		more []region.Region
		want string
	}{
		{[]region.Region{eu}, zone},
		{[]region.Region{eu, usTwo}, zone},
		{[]region.Region{eu, usTwo, usThree}, all},
	} {
		if got := database.CockroachStatements(layout(t, c.more...)); !slices.Contains(got, c.want) {
			t.Errorf("with %v: %q has no %q", c.more, got, c.want)
		}
	}
}

func TestMigrationsRunOnARealCockroachDB(t *testing.T) {
	made := dbtest.Cockroach(t, "bank", migrations)
	put(t, made.DB, "a", 100)
	for range 2 { // repeatable
		if err := database.Migrate(t.Context(), made.OwnerURL, database.Cockroach, "bank", sets...); err != nil {
			t.Fatal(err)
		}
	}
	if got := amount(t, made.DB, "a"); got != 100 {
		t.Fatalf("amount %d", got)
	}
}

func TestTransactionsOnARealCockroachDB(t *testing.T) {
	dbtest.OnCockroach(t, map[string]func(*testing.T){
		"retries":           TestInTxRetriesASerializationFailure,
		"gives up":          TestInTxGivesUpAfterABound,
		"rolls back":        TestAnErrorRollsBackAndComesOutAsItIs,
		"panic":             TestAPanicRollsBackAndGoesOn,
		"ended context":     TestAnEndedContextRollsBack,
		"read only":         TestReadMayNotWrite,
		"constraint":        TestConstraintNamesTheRuleThatWasBroken,
		"dropped error":     TestADroppedStatementErrorDoesNotCommit,
		"turns":             TestWritersOfOneRowTakeTurns,
		"unknown outcome":   TestAConnectionLostWhileCommittingIsAnUnknownOutcome,
		"lost before":       TestAConnectionLostBeforeTheCommitIsUnavailable,
		"down and up again": TestADatabaseThatIsDownIsUnavailableAndComesBack,
	})
}
