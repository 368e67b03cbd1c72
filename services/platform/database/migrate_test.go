package database_test

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
)

func file(name, sql string) fs.FS {
	return fstest.MapFS{name: {Data: []byte("-- +goose NO TRANSACTION\n-- +goose Up\n" + sql + "\n")}}
}

func migrate(t *testing.T, made *dbtest.Database, sets ...fs.FS) error {
	return database.Migrate(t.Context(), made.OwnerURL, database.Postgres, made.Schema, sets...)
}

func applied(t *testing.T, made *dbtest.Database) (versions []int64) {
	t.Helper()
	owner := dbtest.Open(t, database.Config{URL: made.OwnerURL, Schema: made.Schema})
	rows, _ := owner.Pool().Query(t.Context(), `SELECT version FROM schema_migrations WHERE version > 0 ORDER BY version`)
	for rows.Next() {
		var v int64
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		versions = append(versions, v)
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	return versions
}

func TestMigratingTwiceDoesNothingMore(t *testing.T) {
	made := dbtest.Make(t, dbtest.Options{Schema: "bank"})
	for range 2 {
		if err := migrate(t, made, sets...); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(applied(t, made)); got != "[100]" {
		t.Fatalf("applied %s", got)
	}
}

func TestTwoMigratorsAtOnceRunEachFileOnce(t *testing.T) {
	made := dbtest.Make(t, dbtest.Options{Schema: "bank"})
	// Not repeatable: a second run would fail.
	once := []fs.FS{file("0001_a.sql", "CREATE TABLE a (x INT);"), file("0002_b.sql", "CREATE TABLE b (x INT);\nSELECT pg_sleep(0.1);\nCREATE TABLE c (x INT);")}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := migrate(t, made, once...); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := fmt.Sprint(applied(t, made)); got != "[1 2]" {
		t.Fatalf("applied %s", got)
	}
}

func TestALowerNumberThatComesLaterIsApplied(t *testing.T) {
	made := dbtest.Make(t, dbtest.Options{Schema: "bank", Sets: sets})
	if err := migrate(t, made, migrations, file("0003_platform.sql", "CREATE TABLE IF NOT EXISTS p (x INT);")); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(applied(t, made)); got != "[3 100]" {
		t.Fatalf("applied %s", got)
	}
}

func TestAMigrationThatFailedHalfWayIsRunAgain(t *testing.T) {
	made := dbtest.Make(t, dbtest.Options{Schema: "bank"})
	err := migrate(t, made, file("0001_a.sql", "CREATE TABLE IF NOT EXISTS a (x INT);\nCREATE TABLE IF NOT EXISTS b (x no_such_type);"))
	if err == nil || !strings.Contains(err.Error(), "0001_a.sql") {
		t.Fatalf("got %v, want an error that names the file", err)
	}
	if err := migrate(t, made, file("0001_a.sql", "CREATE TABLE IF NOT EXISTS a (x INT);\nCREATE TABLE IF NOT EXISTS b (x INT);")); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(applied(t, made)); got != "[1]" {
		t.Fatalf("applied %s", got)
	}
}

func TestBadMigrationsAreRefused(t *testing.T) {
	good := file("0001_a.sql", "SELECT 1;")
	for name, sets := range map[string][]fs.FS{
		"number twice":       {good, file("0001_b.sql", "SELECT 1;")},
		"bad name":           {file("1_b.sql", "SELECT 1;")},
		"in one transaction": {fstest.MapFS{"0001_a.sql": {Data: []byte("-- +goose Up\nSELECT 1;")}}},
	} {
		if _, err := database.Migrations(database.Postgres, "bank", sets...); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestFilesOfTheOtherEngineAreLeftOut(t *testing.T) {
	sets := []fs.FS{file("0001_a.sql", ""), file("0002_b.cockroach.sql", ""), file("0002_b.postgres.sql", "")}
	for engine, want := range map[database.Engine]string{
		database.Postgres:  "0001_a.sql 0002_b.postgres.sql",
		database.Cockroach: "0001_a.sql 0002_b.cockroach.sql",
	} {
		got, err := database.Migrations(engine, "bank", sets...)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, m := range got {
			names = append(names, m.Name)
		}
		if strings.Join(names, " ") != want {
			t.Errorf("%s: %s, want %s", engine, names, want)
		}
	}
}

func TestMigratingBeforeTheBootstrapSaysSo(t *testing.T) {
	made := dbtest.Make(t, dbtest.Options{Schema: "bank"})
	admin := dbtest.Open(t, database.Config{URL: made.AdminURL})
	for _, sql := range []string{"DROP TABLE bank.schema_migrations, bank.schema_lease", "DROP TYPE public.crdb_internal_region"} {
		if _, err := admin.Pool().Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := migrate(t, made, sets...); err == nil {
		t.Fatal("accepted")
	}
}

func TestBootstrapIsRepeatableAndAddsRegions(t *testing.T) {
	made := dbtest.Make(t, dbtest.Options{Schema: "bank", Regions: dbtest.EU(t)[:1], Sets: sets})
	admin := dbtest.Open(t, database.Config{URL: made.AdminURL})
	var name string
	if err := admin.Pool().QueryRow(t.Context(), `SELECT current_database()`).Scan(&name); err != nil {
		t.Fatal(err)
	}
	layout := database.Layout{Database: name, Regions: dbtest.EU(t), Services: []database.Service{
		{Schema: "bank"}, {Schema: "other", OwnerPassword: "it's", AppPassword: `a"b`}}}
	for range 2 {
		if err := database.Bootstrap(t.Context(), made.AdminURL, database.Postgres, layout); err != nil {
			t.Fatal(err)
		}
	}
	other := strings.Replace(made.AdminURL, "postgres@", "bank@", 1)
	db := dbtest.Open(t, database.Config{URL: other, Schema: "bank"})
	if _, err := db.Pool().Exec(t.Context(), `INSERT INTO accounts (region, id, amount) VALUES ('eu-west', 'x', 1)`); err != nil {
		t.Fatalf("a row of the new region: %v", err)
	}
	if _, err := db.Pool().Exec(t.Context(), `CREATE TABLE mine (x INT)`); err == nil {
		t.Error("the service's role may create tables")
	}
}

func TestBootstrapKeepsJurisdictionsApart(t *testing.T) {
	all := append(dbtest.EU(t), dbtest.US(t)...)
	err := database.Bootstrap(context.Background(), "postgres://127.0.0.1:1/x", database.Postgres, database.Layout{Regions: all})
	if err == nil || !strings.Contains(err.Error(), "jurisdiction") {
		t.Fatalf("got %v", err)
	}
}
