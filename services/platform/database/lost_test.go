package database_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/jackc/pgx/v5"
)

// proxied is a database that a test can lose; direct is the same one, always there.
func proxied(t *testing.T) (db, direct *database.DB, proxy *dbtest.Proxy) {
	made := dbtest.Make(t, dbtest.Options{Schema: "bank", Sets: sets})
	put(t, made.DB, "a", 100)
	proxy, url := dbtest.NewProxy(t, made.URL)
	return dbtest.Open(t, database.Config{URL: url, Schema: "bank"}), made.DB, proxy
}

func TestAConnectionLostWhileCommittingIsAnUnknownOutcome(t *testing.T) {
	for name, c := range map[string]struct {
		arrives bool
		want    int64
	}{
		"the commit arrived":       {true, 1},
		"the commit never arrived": {false, 100},
	} {
		t.Run(name, func(t *testing.T) {
			db, direct, proxy := proxied(t)
			proxy.SetTap(func(sent []byte) ([]byte, bool) {
				if !bytes.Contains(bytes.ToLower(sent), []byte("commit")) {
					return sent, false
				}
				if c.arrives {
					return sent, true
				}
				return nil, true
			})
			told := false
			err := db.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
				database.AfterCommit(ctx, func() { told = true })
				return set(ctx, tx, "a", 1)
			})
			if !errors.Is(err, database.ErrUnknownOutcome) || errors.Is(err, database.ErrUnavailable) {
				t.Fatalf("got %v, want ErrUnknownOutcome", err)
			}
			if !told {
				t.Error("AfterCommit was not run though the commit may have happened")
			}
			deadline := time.Now().Add(10 * time.Second)
			for amount(t, direct, "a") != c.want && time.Now().Before(deadline) {
				time.Sleep(time.Millisecond)
			}
			if got := amount(t, direct, "a"); got != c.want {
				t.Fatalf("amount %d, want %d", got, c.want)
			}
		})
	}
}

func TestAReadThatLosesItsConnectionAtTheEndIsOnlyUnavailable(t *testing.T) {
	db, _, proxy := proxied(t)
	err := db.Read(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
		proxy.Cut()
		return nil
	})
	if !errors.Is(err, database.ErrUnavailable) || errors.Is(err, database.ErrUnknownOutcome) {
		t.Fatalf("got %v", err)
	}
}

func TestAConnectionLostBeforeTheCommitIsUnavailable(t *testing.T) {
	db, direct, proxy := proxied(t)
	err := db.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
		proxy.Cut()
		return set(ctx, tx, "a", 1)
	})
	if !errors.Is(err, database.ErrUnavailable) || errors.Is(err, database.ErrUnknownOutcome) {
		t.Fatalf("got %v", err)
	}
	if got := amount(t, direct, "a"); got != 100 {
		t.Fatalf("amount %d", got)
	}
}

func TestADatabaseThatIsDownIsUnavailableAndComesBack(t *testing.T) {
	db, _, proxy := proxied(t)
	proxy.Cut()
	nothing := func(context.Context, pgx.Tx) error { return nil }
	if err := db.InTx(t.Context(), nothing); !errors.Is(err, database.ErrUnavailable) {
		t.Fatalf("down: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := db.Wait(ctx, slog.New(slog.DiscardHandler)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Wait: %v", err)
	}
	proxy.Restore()
	if err := db.Wait(t.Context(), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if err := db.InTx(t.Context(), nothing); err != nil {
		t.Fatalf("back: %v", err)
	}
}

func TestAServerThatEndsTheSessionIsUnavailable(t *testing.T) {
	made := dbtest.Make(t, dbtest.Options{Schema: "bank", Sets: sets})
	admin := dbtest.Open(t, database.Config{URL: made.AdminURL})
	err := made.DB.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
		var pid int
		if err := tx.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&pid); err != nil {
			return err
		}
		if _, err := admin.Pool().Exec(ctx, `SELECT pg_terminate_backend($1)`, pid); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT 1`).Scan(&pid)
	})
	if !errors.Is(err, database.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
}

func TestAPasswordIsInNoError(t *testing.T) {
	for _, url := range []string{
		"postgres://user:hunter2@127.0.0.1:1/db?sslmode=disable",
		"postgres://user:hunter2@127.0.0.1:notaport/db",
		"postgres://user:hunter2@%zz/db",
	} {
		db, err := database.Open(t.Context(), database.Config{URL: url})
		if err == nil {
			err = db.Ping(t.Context())
			db.Close()
		}
		if err == nil || bytes.Contains([]byte(err.Error()), []byte("hunter2")) {
			t.Errorf("%v", err)
		}
	}
}

// During a failover an address may lead to a standby for a while: it would answer reads from some time ago.
func TestAServerThatTakesNoWritesIsUnavailable(t *testing.T) {
	made := dbtest.Make(t, dbtest.Options{Schema: "bank", Sets: sets})
	admin := dbtest.Open(t, database.Config{URL: made.AdminURL})
	demote := func(on string) {
		t.Helper()
		var name string
		err := admin.Pool().QueryRow(t.Context(), `SELECT current_database()`).Scan(&name)
		if err == nil {
			_, err = admin.Pool().Exec(t.Context(), `ALTER DATABASE `+name+` SET default_transaction_read_only = `+on)
		}
		if err == nil {
			_, err = admin.Pool().Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()`, name)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	read := func() error {
		return made.DB.Read(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `SELECT 1`)
			return err
		})
	}
	demote("on")
	for range 3 {
		if err := read(); !errors.Is(err, database.ErrUnavailable) {
			t.Fatalf("read from a server that takes no writes: %v", err)
		}
	}
	demote("off")
	for tries := 0; ; tries++ { // the pool finds its dead connections one by one
		if err := read(); err == nil {
			return
		} else if tries > 10 {
			t.Fatal(err)
		}
	}
}
