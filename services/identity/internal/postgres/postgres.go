// Package postgres is the only SQL of identity: its tables, and one function for each thing that is read or written.
//
// Every function works inside the caller's transaction and takes the home region of the rows that it touches: never the
// region of the process, which may be a neighbour's. Every one takes the organization too, and a row of another
// organization is not found (registry.ErrNotFound). Driver errors come wrapped, so that the transaction can be retried.
//
// The functions keep no state and are safe for concurrent use; a transaction belongs to one goroutine.
package postgres

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/jackc/pgx/v5"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the tables, numbered from 0100; the platform's own come before.
func Migrations() fs.FS {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return sub
}

// one turns "no rows" into ErrNotFound and names the rest.
func one(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return registry.ErrNotFound
	}
	return fmt.Errorf("%s: %w", what, err)
}

// named wraps an error, if there is one, with what was tried.
func named(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// null is a time for a column that may be null: zero is null.
func null(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// zero is the time of a column that may be null.
func zero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
