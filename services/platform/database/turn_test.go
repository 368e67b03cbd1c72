package database_test

import (
	"context"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/jackc/pgx/v5"
)

// Writers of one row that have read it first: each would fail as often as others commit.
func TestWritersOfOneRowTakeTurns(t *testing.T) {
	made := dbtest.Make(t, dbtest.Options{Schema: "bank", Sets: []fs.FS{migrations}, MaxConns: 32})
	put(t, made.DB, "a", 0)
	const writers, each = 32, 10
	var runs atomic.Int64
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				err := made.DB.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
					runs.Add(1)
					var n int64
					if err := tx.QueryRow(ctx, `SELECT amount FROM accounts WHERE region = 'eu-central' AND id = 'a'`).Scan(&n); err != nil {
						return err
					}
					if err := database.Turn(ctx, "a"); err != nil {
						return err
					}
					return set(ctx, tx, "a", n+1)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := amount(t, made.DB, "a"); got != writers*each {
		t.Fatalf("amount %d, want %d: a write was lost", got, writers*each)
	}
	if perCommit := float64(runs.Load()) / (writers * each); perCommit > 2.5 {
		t.Errorf("%.1f runs for each commit: the turns save nothing", perCommit)
	}
}

func TestARunThatIsNotItsTurnIsNeverCommitted(t *testing.T) {
	db := open(t)
	inside, goOn := make(chan struct{}), make(chan struct{})
	done := make(chan error)
	go func() {
		done <- db.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
			if err := database.Turn(ctx, "k"); err != nil {
				return err
			}
			close(inside)
			<-goOn
			return nil
		})
	}()
	<-inside
	runs := 0
	err := db.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
		if runs++; runs == 1 {
			close(goOn)
		}
		database.Turn(ctx, "k") // drops the error
		return set(ctx, tx, "a", amount(t, db, "a")+1)
	})
	if err != nil || <-done != nil {
		t.Fatal(err)
	}
	if got := amount(t, db, "a"); got != 101 || runs > 2 {
		t.Fatalf("amount %d after %d runs, want 101", got, runs)
	}
}

func TestTurnsInOppositeOrderDoNotWaitForEver(t *testing.T) {
	db := open(t)
	var wg sync.WaitGroup
	for i := range 20 {
		keys := []string{"a", "b"}
		if i%2 == 0 {
			keys = []string{"b", "a"}
		}
		wg.Go(func() {
			err := db.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
				for _, k := range keys {
					if err := database.Turn(ctx, k); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
