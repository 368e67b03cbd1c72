// Package grammar holds the services' SQL against CockroachDB's own grammar, without a CockroachDB.
//
// Parsing alone accepts unknown tables, columns and types, so Check also builds a model of the schema from the migrations
// and asks of it what a database of many regions needs: every table is REGIONAL BY ROW AS region, and region is the first
// column of every key, index and foreign key. What only one engine has, and what does nothing on CockroachDB, is refused.
//
// It is a package of its own, apart from dbtest, because the grammar takes long to build.
package grammar

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cockroachdb/cockroachdb-parser/pkg/sql/parser"
	"github.com/cockroachdb/cockroachdb-parser/pkg/sql/parser/statements"
	_ "github.com/cockroachdb/cockroachdb-parser/pkg/sql/plpgsql/parser" // a DO block panics without
	"github.com/cockroachdb/cockroachdb-parser/pkg/sql/sem/tree"
)

// Check reports everything in migrations, and in the SQL of the Go files below sourceDirs, that CockroachDB could not run.
func Check(t testing.TB, schema string, migrations []fs.FS, sourceDirs ...string) {
	t.Helper()
	files, err := database.Migrations(database.Cockroach, schema, migrations...)
	if err != nil {
		t.Fatal(err)
	}
	c := &checker{report: t.Errorf, tables: map[string]*table{}}
	for _, f := range files {
		c.migration(f.Name, f.SQL)
	}
	c.finish()
	for _, dir := range sourceDirs {
		found, err := statementsOf(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range found {
			c.statement(s)
		}
	}
}

// Parse says whether CockroachDB could parse sql: one statement or several.
func Parse(sql string) error {
	_, err := parser.Parse(sql)
	return err
}

// checker collects the schema and reports what is wrong.
type checker struct {
	report func(format string, args ...any)
	tables map[string]*table
	order  []string
	count  int // statements seen
}

func (c *checker) migration(name, sql string) {
	parsed, err := parser.Parse(sql)
	if err != nil {
		c.report("%s: %v", name, err)
		return
	}
	if len(parsed) == 0 {
		c.report("%s: no statement", name)
	}
	for _, s := range parsed {
		c.count++
		c.ddl(where{name, s}, s.AST)
		c.forbidden(name, s.SQL)
	}
}

// where names a statement in a report.
type where struct {
	file string
	stmt statements.Statement[tree.Statement]
}

func (w where) String() string {
	first, _, _ := strings.Cut(strings.TrimSpace(w.stmt.SQL), "\n")
	return fmt.Sprintf("%s: %.60s", w.file, first)
}

func (c *checker) statement(s source) {
	parsed, err := parser.ParseOne(s.sql)
	if err != nil {
		c.report("%s: %v\n%s", s.at, err, s.sql)
		return
	}
	c.count++
	c.forbidden(s.at, s.sql)
	c.names(s.at, parsed.AST)
}

// silent lists what CockroachDB accepts and does not do, or does at a price across regions.
var silent = []string{"pg_advisory", "pg_try_advisory", "nextval", "setval", "serial", "listen ", "notify "}

func (c *checker) forbidden(at, sql string) {
	for _, word := range silent {
		if strings.Contains(strings.ToLower(sql), word) {
			c.report("%s: %s has no place in SQL for two engines", at, strings.TrimSpace(word))
		}
	}
}

// names checks the tables that a statement works on, and the columns that it writes.
func (c *checker) names(at string, ast tree.Statement) {
	ctes := map[string]bool{}
	collectCTEs(ast, ctes)
	f := tree.NewFmtCtx(tree.FmtSimple, tree.FmtReformatTableNames(func(ctx *tree.FmtCtx, name *tree.TableName) {
		ctx.WriteString(name.String())
		n := name.Table()
		if name.Schema() == "pg_catalog" || n == "crdb_internal_region" /* a cast prints its type so */ || ctes[n] || c.tables[n] != nil {
			return
		}
		c.report("%s: no migration makes table %s", at, name)
	}))
	f.FormatNode(ast)
	f.Close()
	c.writes(at, ast)
}

func (c *checker) writes(at string, ast tree.Statement) {
	switch s := ast.(type) {
	case *tree.Insert:
		c.columns(at, s.Table, s.Columns)
		if s.OnConflict != nil {
			c.columns(at, s.Table, s.OnConflict.Columns)
			for _, e := range s.OnConflict.Exprs {
				c.columns(at, s.Table, e.Names)
			}
		}
	case *tree.Update:
		for _, e := range s.Exprs {
			c.columns(at, s.Table, e.Names)
		}
	}
	for _, cte := range with(ast) {
		c.writes(at, cte.Stmt)
	}
}

func (c *checker) columns(at string, of tree.TableExpr, names tree.NameList) {
	if aliased, ok := of.(*tree.AliasedTableExpr); ok {
		of = aliased.Expr
	}
	name, ok := of.(*tree.TableName)
	if !ok || c.tables[name.Table()] == nil {
		return // reported by names
	}
	for _, column := range names {
		if !c.tables[name.Table()].columns[string(column)] {
			c.report("%s: table %s has no column %s", at, name.Table(), column)
		}
	}
}

func with(ast tree.Statement) []*tree.CTE {
	var w *tree.With
	switch s := ast.(type) {
	case *tree.Select:
		w = s.With
	case *tree.Insert:
		w = s.With
	case *tree.Update:
		w = s.With
	case *tree.Delete:
		w = s.With
	}
	if w == nil {
		return nil
	}
	return w.CTEList
}

// ddl notes one statement of a migration.
func (c *checker) ddl(at where, ast tree.Statement) {
	switch s := ast.(type) {
	case *tree.CreateTable:
		c.createTable(at, s)
	case *tree.AlterTableLocality:
		c.locality(at, s.Name.Object(), s.Locality)
	case *tree.CreateIndex:
		c.index(at, s.Table.Table(), "index", s.Columns)
		if !s.IfNotExists {
			c.report("%s: not repeatable, write IF NOT EXISTS", at)
		}
	case *tree.AlterTable:
		c.alterTable(at, s)
	}
}
