package database_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

const accounts = `-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS accounts (
	region crdb_internal_region NOT NULL,
	id TEXT NOT NULL,
	amount BIGINT NOT NULL CONSTRAINT amount_not_negative CHECK (amount >= 0),
	PRIMARY KEY (region, id)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE accounts TO {{app}};
`

var (
	migrations = fstest.MapFS{"migrations/0100_accounts.sql": {Data: []byte(accounts)}}
	sets       = []fs.FS{migrations}
)

func open(t *testing.T) *database.DB {
	db := dbtest.New(t, "bank", migrations)
	put(t, db, "a", 100)
	put(t, db, "b", 100)
	return db
}

func put(t *testing.T, db *database.DB, id string, amount int64) {
	t.Helper()
	_, err := db.Pool().Exec(t.Context(), `INSERT INTO accounts (region, id, amount) VALUES ($1, $2, $3)`, region.Name("eu-central"), id, amount)
	if err != nil {
		t.Fatal(err)
	}
}

func amount(t *testing.T, db *database.DB, id string) (n int64) {
	t.Helper()
	if err := db.Pool().QueryRow(t.Context(), `SELECT amount FROM accounts WHERE region = 'eu-central' AND id = $1`, id).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func set(ctx context.Context, tx pgx.Tx, id string, amount int64) error {
	_, err := tx.Exec(ctx, `UPDATE accounts SET amount = $2 WHERE region = 'eu-central' AND id = $1`, id, amount)
	return err
}

func total(ctx context.Context, tx pgx.Tx) (n int64, err error) {
	err = tx.QueryRow(ctx, `SELECT sum(amount)::BIGINT FROM accounts`).Scan(&n)
	return n, err
}

// Write skew: both read the total, each writes another row. Run one after the other the second sees 150.
func TestInTxRetriesASerializationFailure(t *testing.T) {
	db := open(t)
	bothRead := make(chan struct{}, 2)
	goOn := make(chan struct{})
	type result struct {
		runs int
		seen int64
		err  error
	}
	results := make(chan result, 2)
	for _, id := range []string{"a", "b"} {
		go func() {
			var r result
			r.err = db.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) (err error) {
				r.runs++
				if r.seen, err = total(ctx, tx); err != nil {
					return err
				}
				if r.runs == 1 {
					bothRead <- struct{}{}
					<-goOn
				}
				return set(ctx, tx, id, r.seen-150)
			})
			results <- r
		}()
	}
	<-bothRead
	<-bothRead
	close(goOn)
	one, two := <-results, <-results
	if one.err != nil || two.err != nil {
		t.Fatalf("errors %v, %v", one.err, two.err)
	}
	if one.runs+two.runs != 3 || one.seen+two.seen != 200+150 {
		t.Fatalf("ran %d and %d times, saw %d and %d; want one retry that sees the other's write", one.runs, two.runs, one.seen, two.seen)
	}
}

func TestInTxGivesUpAfterABound(t *testing.T) {
	db := open(t)
	runs := 0
	err := db.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
		runs++
		if _, err := total(ctx, tx); err != nil {
			return err
		}
		// Another transaction always gets in between.
		err := db.InTx(context.WithoutCancel(t.Context()), func(ctx context.Context, tx pgx.Tx) error { return set(ctx, tx, "a", int64(runs)) })
		if err != nil {
			return err
		}
		return set(ctx, tx, "a", 0)
	})
	if !errors.Is(err, database.ErrConflict) || runs != 50 {
		t.Fatalf("got %v after %d runs, want ErrConflict after 50", err, runs)
	}
	if got := amount(t, db, "a"); got != 50 {
		t.Fatalf("amount %d: the loser left something behind", got)
	}
}

func TestAnErrorRollsBackAndComesOutAsItIs(t *testing.T) {
	db := open(t)
	mine := errors.New("mine")
	err := db.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
		return errors.Join(set(ctx, tx, "a", 1), mine)
	})
	if !errors.Is(err, mine) || errors.Is(err, database.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	if got := amount(t, db, "a"); got != 100 {
		t.Fatalf("amount %d after a rollback", got)
	}
}

func TestAPanicRollsBackAndGoesOn(t *testing.T) {
	db := open(t)
	func() {
		defer func() {
			if recover() != "boom" {
				t.Error("the panic did not go on")
			}
		}()
		db.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
			set(ctx, tx, "a", 1)
			panic("boom")
		})
	}()
	if got := amount(t, db, "a"); got != 100 {
		t.Fatalf("amount %d after a panic", got)
	}
	if n := db.Pool().Stat().AcquiredConns(); n != 0 {
		t.Fatalf("%d connections were not given back", n)
	}
}

func TestAnEndedContextRollsBack(t *testing.T) {
	db := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := db.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		defer cancel()
		return set(ctx, tx, "a", 1)
	})
	if !errors.Is(err, context.Canceled) || errors.Is(err, database.ErrUnknownOutcome) {
		t.Fatalf("got %v", err)
	}
	if got := amount(t, db, "a"); got != 100 {
		t.Fatalf("amount %d after a cancelled context", got)
	}
}

func TestNestingIsRefused(t *testing.T) {
	db := open(t)
	nothing := func(context.Context, pgx.Tx) error { return nil }
	for name, nested := range map[string]func(context.Context) error{
		"InTx": func(ctx context.Context) error { return db.InTx(ctx, nothing) },
		"Read": func(ctx context.Context) error { return db.Read(ctx, nothing) },
	} {
		err := db.InTx(t.Context(), func(ctx context.Context, _ pgx.Tx) error { return nested(ctx) })
		if !errors.Is(err, database.ErrNested) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestReadMayNotWrite(t *testing.T) {
	db := open(t)
	err := db.Read(t.Context(), func(ctx context.Context, tx pgx.Tx) error { return set(ctx, tx, "a", 1) })
	if err == nil || amount(t, db, "a") != 100 {
		t.Fatalf("a reading transaction wrote: %v", err)
	}
}

func TestConstraintNamesTheRuleThatWasBroken(t *testing.T) {
	db := open(t)
	err := db.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error { return set(ctx, tx, "a", -1) })
	if name, ok := database.Constraint(err); !ok || name != "amount_not_negative" {
		t.Fatalf("Constraint(%v) = %q, %v", err, name, ok)
	}
	if _, ok := database.Constraint(errors.New("other")); ok {
		t.Fatal("a constraint in an error that has none")
	}
}

func TestATextThatNoColumnTakesHasItsOwnError(t *testing.T) {
	db := open(t)
	err := db.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error { return set(ctx, tx, "a\x00", 1) })
	if !errors.Is(err, database.ErrText) {
		t.Fatalf("got %v", err)
	}
}

func TestADroppedStatementErrorDoesNotCommit(t *testing.T) {
	db := open(t)
	err := db.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
		set(ctx, tx, "a", 1)
		tx.Exec(ctx, `SELECT no_such_column FROM accounts`)
		return nil
	})
	if err == nil || errors.Is(err, database.ErrUnknownOutcome) || amount(t, db, "a") != 100 {
		t.Fatalf("got %v", err)
	}
}

func TestARowOfAnotherJurisdictionCannotBeWritten(t *testing.T) {
	db := open(t)
	_, err := db.Pool().Exec(t.Context(), `INSERT INTO accounts (region, id, amount) VALUES ($1, 'x', 1)`, region.Name("us-east"))
	if err == nil {
		t.Fatal("a row of us-east was written into the database of eu")
	}
}
