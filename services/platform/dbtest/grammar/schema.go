package grammar

import (
	"slices"
	"strings"

	"github.com/cockroachdb/cockroachdb-parser/pkg/sql/sem/tree"
)

// table is what the migrations say of one.
type table struct {
	at       where
	columns  map[string]bool
	primary  bool
	regional bool
}

// types that both engines have and mean the same by. INT8 is what BIGINT and, on CockroachDB, INT are.
var types = []string{"STRING", "INT8", "INT4", "INT2", "BOOL", "BYTES", "TIMESTAMPTZ", "JSONB", "UUID", "DATE", "FLOAT8", "INTERVAL",
	"STRING[]", "BYTES[]", "INT8[]", "INT2[]", "CRDB_INTERNAL_REGION", "TIME", "TIMETZ"}

func (c *checker) createTable(at where, s *tree.CreateTable) {
	name := s.Table.Table()
	t := &table{at: at, columns: map[string]bool{}}
	c.tables[name], c.order = t, append(c.order, name)
	if !s.IfNotExists {
		c.report("%s: not repeatable, write IF NOT EXISTS", at)
	}
	for _, def := range s.Defs {
		switch d := def.(type) {
		case *tree.ColumnTableDef:
			c.column(at, t, d)
		case *tree.UniqueConstraintTableDef:
			t.primary = t.primary || d.PrimaryKey
			c.index(at, name, "key", d.Columns)
		case *tree.IndexTableDef:
			c.index(at, name, "index", d.Columns)
		case *tree.ForeignKeyConstraintTableDef:
			c.foreignKey(at, d)
		}
	}
	if s.Locality != nil {
		c.locality(at, name, s.Locality)
	}
}

func (c *checker) column(at where, t *table, d *tree.ColumnTableDef) {
	name := string(d.Name)
	t.columns[name] = true
	kind := strings.ToUpper(d.Type.SQLString())
	if !slices.Contains(types, kind) {
		c.report("%s: column %s: type %s is not one that both engines have", at, name, kind)
	}
	if d.IsSerial || d.GeneratedIdentity.IsGeneratedAsIdentity {
		c.report("%s: column %s: sequences are one hot range for all regions", at, name)
	}
	if d.PrimaryKey.IsPrimaryKey || d.Unique.IsUnique || d.References.Table != nil {
		c.report("%s: column %s: a key of one column has no region in front", at, name)
	}
	if name != "region" {
		return
	}
	if kind != "CRDB_INTERNAL_REGION" || d.Nullable.Nullability != tree.NotNull {
		c.report("%s: region must be crdb_internal_region NOT NULL", at)
	}
	if d.DefaultExpr.Expr != nil {
		c.report("%s: region must not have a default: it would be the region of the node and not of the row's home", at)
	}
}

func (c *checker) index(at where, name, what string, columns tree.IndexElemList) {
	if len(columns) == 0 || columns[0].Column != "region" {
		c.report("%s: %s of %s does not begin with region", at, what, name)
	}
}

func (c *checker) foreignKey(at where, d *tree.ForeignKeyConstraintTableDef) {
	for _, cols := range []tree.NameList{d.FromCols, d.ToCols} {
		if len(cols) == 0 || cols[0] != "region" {
			c.report("%s: a foreign key does not begin with region", at)
		}
	}
}

func (c *checker) locality(at where, name string, l *tree.Locality) {
	t := c.tables[name]
	if t == nil {
		c.report("%s: no migration before makes table %s", at, name)
		return
	}
	if l.LocalityLevel != tree.LocalityLevelRow || l.RegionalByRowColumn != "region" {
		c.report("%s: must be REGIONAL BY ROW AS region", at)
	}
	t.regional = true
}

func (c *checker) alterTable(at where, s *tree.AlterTable) {
	name := s.Table.Object()
	t := c.tables[name]
	if t == nil {
		c.report("%s: no migration before makes table %s", at, name)
		return
	}
	for _, cmd := range s.Cmds {
		switch a := cmd.(type) {
		case *tree.AlterTableAddColumn:
			c.column(at, t, a.ColumnDef)
			if !a.IfNotExists {
				c.report("%s: not repeatable, write IF NOT EXISTS", at)
			}
		case *tree.AlterTableAddConstraint:
			switch d := a.ConstraintDef.(type) {
			case *tree.UniqueConstraintTableDef:
				c.index(at, name, "key", d.Columns)
			case *tree.ForeignKeyConstraintTableDef:
				c.foreignKey(at, d)
			}
		}
	}
}

// finish checks what only all migrations together can have.
func (c *checker) finish() {
	for _, name := range c.order {
		t := c.tables[name]
		if !t.columns["region"] {
			c.report("%s: table %s has no column region", t.at, name)
		}
		if !t.primary {
			c.report("%s: table %s has no PRIMARY KEY clause", t.at, name)
		}
		if !t.regional {
			c.report("%s: table %s has no locality: a .cockroach.sql file must SET LOCALITY REGIONAL BY ROW AS region", t.at, name)
		}
	}
}
