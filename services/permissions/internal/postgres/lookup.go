package postgres

import (
	"context"
	"errors"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// lookup is how things of one kind are read by their ids: several of a region at once. sql takes region, ids and
// organization, and the id is its first column.
//
// Each id is looked up for itself (LATERAL; OFFSET 0 keeps PostgreSQL from making a join of it): so the plan uses the whole
// key whatever is known of the table. With region = $1 AND id = ANY ($2) PostgreSQL reads the whole region as long as the
// table was never analyzed, and keeps doing so in a prepared statement.
type lookup[T any] struct {
	sql  string
	scan func(org region.ID, row pgx.CollectableRow) (region.ID, T, error)
}

// one looks up a single thing.
func one[T any](ctx context.Context, r *reader, l lookup[T], org, id region.ID) (found T, err error) {
	home, err := r.home(id)
	if err != nil {
		return found, err
	}
	rows, err := r.tx.Query(ctx, l.sql, home, []string{string(id)}, org)
	if err != nil {
		return found, wrap(err, "read %s", id)
	}
	found, err = pgx.CollectOneRow(rows, func(row pgx.CollectableRow) (T, error) {
		_, found, err := l.scan(org, row)
		return found, err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return found, grants.NotFound(id)
	}
	return found, wrap(err, "read %s", id)
}

// several looks up things of one region and returns them in the order of ids.
func several[T any](ctx context.Context, r *reader, l lookup[T], home region.Name, org region.ID, ids []region.ID) ([]T, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := r.tx.Query(ctx, l.sql, home, texts(ids), org)
	if err != nil {
		return nil, wrap(err, "read %s and more", ids[0])
	}
	found := make(map[region.ID]T, len(ids))
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
		id, thing, err := l.scan(org, row)
		found[id] = thing
		return struct{}{}, err
	})
	if err != nil {
		return nil, wrap(err, "read %s and more", ids[0])
	}
	all := make([]T, len(ids))
	for i, id := range ids {
		thing, is := found[id]
		if !is {
			return nil, grants.NotFound(id)
		}
		all[i] = thing
	}
	return all, nil
}

// list returns the things that another statement with the look-up's columns finds.
func list[T any](ctx context.Context, r *reader, l lookup[T], org region.ID, sql string, args ...any) ([]T, error) {
	rows, err := r.tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, wrap(err, "list things of %s", org)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (T, error) {
		_, thing, err := l.scan(org, row)
		return thing, err
	})
	return all, wrap(err, "list things of %s", org)
}
