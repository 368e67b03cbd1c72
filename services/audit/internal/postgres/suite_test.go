package postgres_test

import (
	"io/fs"
	"testing"

	"github.com/cardea-mesh/cardea/services/audit/internal/postgres"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/dbtest/grammar"
)

// maker makes a database with the service's tables.
type maker func(testing.TB) *dbtest.Database

// suite is what a store must do on both engines.
var suite = []struct {
	name string
	test func(*testing.T, maker)
}{
	{"random batches make chains that verify", testRandomBatchesMakeChainsThatVerify},
	{"writers at once append each event once", testWritersAtOnceAppendEachEventOnce},
	{"an empty ledger has the zero head", testAnEmptyLedgerHasTheZeroHead},
	{"the service cannot change or delete what it wrote", testTheServiceCannotChangeOrDeleteWhatItWrote},
	{"a chain verifies without its bodies", testAChainVerifiesWithoutItsBodies},
	{"large bodies shorten a page and lose nothing", testLargeBodiesShortenAPageAndLoseNothing},
	{"parking twice keeps one", testParkingTwiceKeepsOne},
	{"data that the database refuses is told", testDataThatTheDatabaseRefusesIsTold},
	{"queries find what a plain filter finds", testQueriesFindWhatAPlainFilterFinds},
	{"a lock's events come in the lock's order", testALocksEventsComeInTheLocksOrder},
}

func sets() []fs.FS { return []fs.FS{postgres.Migrations()} }

func onPostgres(t testing.TB) *dbtest.Database {
	return dbtest.Make(t, dbtest.Options{Schema: postgres.Schema, Sets: sets()})
}

// open connects to a test's database as somebody else.
func open(t testing.TB, made *dbtest.Database, url string) *database.DB {
	return dbtest.Open(t, database.Config{URL: url, Engine: made.DB.Engine, Schema: made.Schema})
}

func TestPostgres(t *testing.T) {
	for _, c := range suite {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, onPostgres)
		})
	}
}

func TestCockroach(t *testing.T) {
	dbtest.Cockroach(t, postgres.Schema, sets()...) // skips, once, where there is none
	for _, c := range suite {
		t.Run(c.name, func(t *testing.T) {
			c.test(t, func(t testing.TB) *dbtest.Database { return dbtest.Cockroach(t, postgres.Schema, sets()...) })
		})
	}
}

func TestTheSQLIsCockroachDBsGrammar(t *testing.T) {
	grammar.Check(t, postgres.Schema, sets(), ".")
}
