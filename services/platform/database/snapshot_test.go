package database_test

import (
	"context"
	"testing"

	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/jackc/pgx/v5"
)

func TestASnapshotSeesOneStateAndStandsInNobodysWay(t *testing.T) {
	db := open(t)
	err := db.Snapshot(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
		before, err := total(ctx, tx)
		if err != nil {
			return err
		}
		put(t, db, "c", 7)
		if after, err := total(ctx, tx); err != nil || after != before {
			t.Errorf("%d, then %d, %v", before, after, err)
		}
		if db.Engine == database.Cockroach {
			return nil
		}
		var locks int
		err = tx.QueryRow(ctx, `SELECT count(*) FROM pg_locks WHERE mode = 'SIReadLock' AND pid = pg_backend_pid()`).Scan(&locks)
		if locks > 0 {
			t.Errorf("%d locks that can make a writer run again", locks)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Snapshot(t.Context(), func(ctx context.Context, tx pgx.Tx) error { return set(ctx, tx, "a", 1) })
	if err == nil || amount(t, db, "a") != 100 {
		t.Errorf("a reading transaction wrote: %v", err)
	}
}
