package postgres

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/cardea-mesh/cardea/services/audit/internal/ledger"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// The queries differ in the index that they walk. The conditions `<> ”` repeat those of the partial indexes, which the planner
// could not infer from a parameter.
const (
	queryDoor = `SELECT position, body FROM ledger_bodies
WHERE region = $1 AND org = $2 AND position < $3 AND occurred_at >= $4 AND occurred_at < $5
  AND door = $7 AND door <> '' AND ($8 = '' OR person = $8) AND ($9 = '' OR kind = $9)
ORDER BY position DESC LIMIT $6`

	queryPerson = `SELECT position, body FROM ledger_bodies
WHERE region = $1 AND org = $2 AND position < $3 AND occurred_at >= $4 AND occurred_at < $5
  AND person = $7 AND person <> '' AND ($8 = '' OR kind = $8)
ORDER BY position DESC LIMIT $6`

	queryKind = `SELECT position, body FROM ledger_bodies
WHERE region = $1 AND org = $2 AND position < $3 AND occurred_at >= $4 AND occurred_at < $5
  AND kind = $7
ORDER BY position DESC LIMIT $6`

	queryAll = `SELECT position, body FROM ledger_bodies
WHERE region = $1 AND org = $2 AND position < $3 AND occurred_at >= $4 AND occurred_at < $5
ORDER BY position DESC LIMIT $6`
)

// Filter narrows a query. An empty field does not.
type Filter struct {
	Door   region.ID
	Person region.ID
	Kind   string
	From   time.Time // occurred at or after
	To     time.Time // occurred before
}

// Found is an event and its place.
type Found struct {
	Position int64
	Body     []byte
}

// theEnd is a time after all that a protobuf timestamp can say and a database keeps.
var theEnd = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)

// Query returns up to limit events, newest first by place, all before the place `before` (0: from the end), and whether there
// are more after them. Entries whose body was removed are not found. It returns fewer, but at least one, when the bodies are
// larger than two MiB together.
func (s *Store) Query(ctx context.Context, id ledger.ID, f Filter, before int64, limit int) (found []Found, more bool, err error) {
	if before == 0 {
		before = math.MaxInt64
	}
	if f.To.IsZero() {
		f.To = theEnd
	}
	sql, last := f.statement()
	args := append([]any{string(id.Region), string(id.Org), before, f.From, f.To, limit + 1}, last...)
	err = s.db.Read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		found, more, err = runQuery(ctx, tx, sql, args, limit)
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("query the ledger of %s in %s: %w", id.Org, id.Region, err)
	}
	return found, more, nil
}

// statement picks the query, with its arguments from $7 on.
func (f Filter) statement() (sql string, args []any) {
	switch {
	case f.Door != "":
		return queryDoor, []any{string(f.Door), string(f.Person), f.Kind}
	case f.Person != "":
		return queryPerson, []any{string(f.Person), f.Kind}
	case f.Kind != "":
		return queryKind, []any{f.Kind}
	}
	return queryAll, nil
}

func runQuery(ctx context.Context, tx pgx.Tx, sql string, args []any, limit int) (found []Found, more bool, err error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	bytes := 0
	for rows.Next() {
		if len(found) == limit || bytes > maxPageBytes {
			return found, true, nil
		}
		var f Found
		if err := rows.Scan(&f.Position, &f.Body); err != nil {
			return nil, false, err
		}
		found = append(found, f)
		bytes += len(f.Body)
	}
	return found, false, rows.Err()
}
