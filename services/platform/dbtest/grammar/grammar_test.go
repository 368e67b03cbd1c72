package grammar

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
)

var platform = []fs.FS{outbox.Migrations, idempotency.Migrations}

func TestThePlatformsSQLIsCockroachDBsGrammar(t *testing.T) {
	Check(t, "platform", platform, "../../outbox", "../../idempotency")
}

func TestTheMigratorsSQLIsCockroachDBsGrammar(t *testing.T) {
	found, err := statementsOf("../../database")
	if err != nil {
		t.Fatal(err)
	}
	c := &checker{report: t.Errorf, tables: map[string]*table{}}
	for _, s := range found { // its tables are made by statements in Go; on CockroachDB by those with a locality
		if strings.HasPrefix(s.sql, "CREATE") && strings.Contains(s.sql, "LOCALITY") {
			c.migration(s.at, s.sql)
		}
	}
	c.finish()
	for _, s := range found {
		c.statement(s)
	}
	if c.count < 10 {
		t.Errorf("only %d statements were found", c.count)
	}
}

// Every service beside platform: what it migrates and what it runs.
func TestTheServicesSQLIsCockroachDBsGrammar(t *testing.T) {
	services, err := filepath.Glob("../../../*/internal/postgres")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range services {
		service := filepath.Base(filepath.Dir(filepath.Dir(dir)))
		t.Run(service, func(t *testing.T) {
			Check(t, "app", append(platform[:len(platform):len(platform)], os.DirFS(dir)), filepath.Dir(dir))
		})
	}
}

const prefix = "-- +goose NO TRANSACTION\n-- +goose Up\n"

const good = `CREATE TABLE IF NOT EXISTS a (region crdb_internal_region NOT NULL, id TEXT NOT NULL, PRIMARY KEY (region, id));
ALTER TABLE a SET LOCALITY REGIONAL BY ROW AS region;`

func TestWhatCannotRunIsReported(t *testing.T) {
	for _, c := range []struct{ sql, want string }{
		{good, ""},
		{good + "CREATE UNIQUE INDEX IF NOT EXISTS i ON a (region, id);", ""},
		{good + "CREATE INDEX IF NOT EXISTS i ON a (id);", "does not begin with region"},
		{good + "CREATE INDEX i ON a (region, id);", "not repeatable"},
		{good + "LISTEN x;", "syntax error"},
		{good + "SELECT pg_advisory_lock(1);", "pg_advisory"},
		{good + "ALTER TABLE a ADD COLUMN b TEXT;", "not repeatable"},
		{good + "ALTER TABLE a ADD COLUMN IF NOT EXISTS b TSTZRANGE;", "not one that both engines have"},
		{strings.Replace(good, "BY ROW AS region", "BY TABLE IN PRIMARY REGION", 1), "must be REGIONAL BY ROW"},
		{strings.Split(good, "\n")[0], "has no locality"},
		{strings.Replace(good, "(region, id)", "(id, region)", 1), "does not begin with region"},
		{strings.Replace(good, ", PRIMARY KEY (region, id)", "", 1), "no PRIMARY KEY"},
		{strings.Replace(good, "NOT NULL,", ",", 1), "must be crdb_internal_region NOT NULL"},
		{strings.Replace(good, "NOT NULL,", "NOT NULL DEFAULT 'eu',", 1), "must not have a default"},
		{strings.Replace(good, "id TEXT NOT NULL", "id TEXT NOT NULL UNIQUE", 1), "no region in front"},
		{strings.Replace(good, "id TEXT", "id BIGSERIAL", 1), "serial"},
		{strings.Replace(good, "PRIMARY KEY", "FOREIGN KEY (id) REFERENCES a (id), PRIMARY KEY", 1), "foreign key does not begin"},
	} {
		if got := problems(prefix+c.sql, ""); (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s\nreported %q, want %q", c.sql, got, c.want)
		}
	}
}

func TestStatementsInGoAreCheckedAgainstTheSchema(t *testing.T) {
	for _, c := range []struct{ code, want string }{
		{"const q = `SELECT id FROM a WHERE region = $1`", ""},
		{"const q = `SELECT id FROM b`", "no migration makes table b"},
		{"const cols = `id`\nconst q = `SELECT ` + cols + ` FROM b`", "no migration makes table b"},
		{"var q = `INSERT INTO a (region, name) VALUES ($1, $2)`", "has no column name"},
		{"const q = `UPDATE a SET name = $1 WHERE region = $2`", "has no column name"},
		{"const q = `WITH x AS (SELECT id FROM a) SELECT id FROM x`", ""},
		{"const q = `SELECT id FROM a WHERE region = $1 FOR SHARE OF`", "syntax error"},
		{"func f(s string) string { return `SELECT id FROM ` + s }", "at run time"},
		{"const q = `selected`", ""},
	} {
		if got := problems(prefix+good, "package p\n"+c.code+"\n"); (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s\nreported %q, want %q", c.code, got, c.want)
		}
	}
}

// problems runs Check on a migration and a Go file and returns what it reports.
func problems(migration, code string) string {
	dir, err := os.MkdirTemp("", "grammar")
	if err != nil {
		return err.Error()
	}
	defer os.RemoveAll(dir)
	if code != "" {
		if err := os.WriteFile(filepath.Join(dir, "p.go"), []byte(code), 0o600); err != nil {
			return err.Error()
		}
	}
	r := &recorder{}
	func() {
		defer func() { recover() }() // Fatal
		Check(r, "x", []fs.FS{fstest.MapFS{"0100_a.sql": {Data: []byte(migration)}}}, dir)
	}()
	return r.text
}

// recorder is a test that notes what fails.
type recorder struct {
	testing.TB
	text string
}

func (r *recorder) Helper()                           {}
func (r *recorder) Errorf(format string, args ...any) { r.text += fmt.Sprintf(format, args...) + "\n" }
func (r *recorder) Fatal(args ...any)                 { r.text += fmt.Sprintln(args...); panic(r) }
