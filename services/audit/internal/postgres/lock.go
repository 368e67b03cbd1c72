package postgres

import (
	"context"
	"fmt"
	"math"

	"github.com/cardea-mesh/cardea/services/audit/internal/ledger"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// The index has the lock's order, so that a page costs what is in it, however long the lock's life.
const queryLock = `SELECT position, body, boot_epoch, lock_sequence FROM ledger_bodies
WHERE region = $1 AND org = $2 AND device = $3 AND device <> '' AND (boot_epoch, lock_sequence) < ($4, $5)
  AND occurred_at >= $6 AND occurred_at < $7 AND ($8 = '' OR door = $8) AND ($9 = '' OR person = $9) AND ($10 = '' OR kind = $10)
ORDER BY boot_epoch DESC, lock_sequence DESC LIMIT $11`

// FoundOfLock is an event with both its places.
type FoundOfLock struct {
	Found
	Lock ledger.Place
}

// QueryLock returns up to limit events that a device's lock reported, newest first in the lock's order, all before a place there (the zero
// Place: from the end); and the place of the one that comes after them, nil when there is none. It ends early as Query does.
func (s *Store) QueryLock(ctx context.Context, id ledger.ID, device region.ID, f Filter, before ledger.Place, limit int) (found []FoundOfLock, next *ledger.Place, err error) {
	if before == (ledger.Place{}) {
		before = ledger.Place{Epoch: math.MaxInt64, Sequence: math.MaxInt64}
	}
	if f.To.IsZero() {
		f.To = theEnd
	}
	args := []any{
		string(id.Region), string(id.Org), string(device), before.Epoch, before.Sequence, f.From, f.To, string(f.Door), string(f.Person), f.Kind, limit + 1,
	}
	err = s.db.Read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		found, next, err = runQueryLock(ctx, tx, args, limit)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("query the events of %s in the ledger of %s in %s: %w", device, id.Org, id.Region, err)
	}
	return found, next, nil
}

func runQueryLock(ctx context.Context, tx pgx.Tx, args []any, limit int) (found []FoundOfLock, next *ledger.Place, err error) {
	rows, err := tx.Query(ctx, queryLock, args...)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	bytes := 0
	for rows.Next() {
		var f FoundOfLock
		if err := rows.Scan(&f.Position, &f.Body, &f.Lock.Epoch, &f.Lock.Sequence); err != nil {
			return nil, nil, err
		}
		if len(found) == limit || bytes > maxPageBytes {
			return found, &f.Lock, nil
		}
		found = append(found, f)
		bytes += len(f.Body)
	}
	return found, nil, rows.Err()
}
