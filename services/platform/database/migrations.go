package database

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// Migration is one file of SQL, forward only.
type Migration struct {
	Name string // NNNN_what.sql, NNNN_what.postgres.sql or NNNN_what.cockroach.sql
	SQL  string
}

// AppRole in a migration stands for the role that the service runs as (the schema's name), so that the platform's own
// tables can be granted to it.
const AppRole = "{{app}}"

// noTransaction must be in every migration: CockroachDB wants one DDL statement per transaction. A migration that stops
// half way is run again from its start, so every statement must be repeatable (IF NOT EXISTS and the like).
const noTransaction = "-- +goose NO TRANSACTION"

// Migrations returns the files of sets that engine runs, by name. A file's version, the number in front, must be unique
// among them: the platform's own have 1 to 99, a service's start at 0100.
func Migrations(engine Engine, schema string, sets ...fs.FS) ([]Migration, error) {
	found := map[string]Migration{}
	for _, set := range sets {
		err := fs.WalkDir(set, ".", func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || path.Ext(file) != ".sql" || !runsOn(file, engine) {
				return err
			}
			m, err := read(set, file, schema)
			if err != nil {
				return fmt.Errorf("migration %s: %w", file, err)
			}
			version, _, _ := strings.Cut(m.Name, "_")
			if other, twice := found[version]; twice {
				return fmt.Errorf("migrations %s and %s have the same number", other.Name, m.Name)
			}
			found[version] = m
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("database: %w", err)
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b Migration) int { return strings.Compare(a.Name, b.Name) }), nil
}

func runsOn(file string, engine Engine) bool {
	switch {
	case strings.HasSuffix(file, ".cockroach.sql"):
		return engine == Cockroach
	case strings.HasSuffix(file, ".postgres.sql"):
		return engine != Cockroach
	}
	return true
}

func read(set fs.FS, file, schema string) (Migration, error) {
	name := path.Base(file)
	if len(name) < 6 || name[4] != '_' || strings.Trim(name[:4], "0123456789") != "" {
		return Migration{}, fmt.Errorf("its name must be four digits, an underscore and words")
	}
	sql, err := fs.ReadFile(set, file)
	if err != nil {
		return Migration{}, err
	}
	if !bytes.Contains(sql, []byte(noTransaction)) {
		return Migration{}, fmt.Errorf("it must contain the line %q", noTransaction)
	}
	return Migration{Name: name, SQL: strings.ReplaceAll(string(sql), AppRole, schema)}, nil
}
