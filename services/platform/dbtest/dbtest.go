// Package dbtest gives each test a database of its own on a private, real PostgreSQL.
//
// The server starts on the first use in a test process and ends with it, also when the process is killed: it runs under a
// small shell that waits for the end of a pipe whose other end only this process holds. It listens on a Unix socket in a
// folder of its own, which is removed with it. The system's own cluster is never touched.
//
// Databases are made as in production: bootstrap, migrations by the schema's owner, and the DB that a test gets is
// connected as the service's own role, so a missing GRANT fails here. Migrations of one kind run once per process; further
// tests copy the result.
//
// All functions may be used by parallel tests.
package dbtest

import (
	"context"
	"io/fs"
	"os"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Options says what database to make.
type Options struct {
	Schema string
	// Regions of the database; default EU.
	Regions []region.Region
	// MaxConns of DB; default 10.
	MaxConns int32
	Sets     []fs.FS
}

// Database is a test's own database.
type Database struct {
	DB *database.DB
	// URL connects as the service's role, OwnerURL as the owner of its tables, AdminURL as the server's superuser.
	URL, OwnerURL, AdminURL string
	Schema                  string
}

// New makes a database with the regions of EU, migrated with sets. It is dropped at the end of the test.
func New(t testing.TB, schema string, sets ...fs.FS) *database.DB {
	t.Helper()
	return Make(t, Options{Schema: schema, Sets: sets}).DB
}

// Make is New with options.
func Make(t testing.TB, opts Options) *Database {
	t.Helper()
	if os.Getenv(engineVariable) == string(database.Cockroach) {
		return makeCockroach(t, opts)
	}
	return shared(t).make(t, opts)
}

// make is Make on this server.
func (s *server) make(t testing.TB, opts Options) *Database {
	t.Helper()
	if opts.Regions == nil {
		opts.Regions = EU(t)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	name, err := s.create(ctx, opts)
	if err != nil {
		t.Fatalf("dbtest: make a database: %v", err)
	}
	made := &Database{
		Schema:   opts.Schema,
		URL:      s.url(opts.Schema, name),
		OwnerURL: s.url(opts.Schema+"_owner", name),
		AdminURL: s.url(superuser, name),
	}
	made.DB = Open(t, database.Config{URL: made.URL, Schema: opts.Schema, MaxConns: opts.MaxConns})
	t.Cleanup(func() { s.drop(name) })
	t.Cleanup(made.DB.Close)
	return made
}

// Open is database.Open that fails the test and closes at its end.
func Open(t testing.TB, cfg database.Config) *database.DB {
	t.Helper()
	// Not the test's context: the pool outlives it by the clean-ups.
	db, err := database.Open(context.Background(), cfg)
	if err != nil {
		t.Fatalf("dbtest: open: %v", err)
	}
	t.Cleanup(db.Close)
	return db
}

// Regions is a deployment of three regions in two jurisdictions: eu-central (euc) and eu-west (euw) in eu, us-east (use) in us.
func Regions(t testing.TB) *region.Map {
	t.Helper()
	m, err := region.NewMap(map[region.Name]region.Spec{
		"eu-central": {Code: "euc", Jurisdiction: "eu"},
		"eu-west":    {Code: "euw", Jurisdiction: "eu"},
		"us-east":    {Code: "use", Jurisdiction: "us"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// EU returns the regions of jurisdiction eu, for Options.
func EU(t testing.TB) []region.Region { return Regions(t).In("eu") }

// US returns the regions of jurisdiction us, for Options.
func US(t testing.TB) []region.Region { return Regions(t).In("us") }
