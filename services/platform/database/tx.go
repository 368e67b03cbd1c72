package database

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// maxAttempts bounds retries. Writers of one organization queue on one row (org_heads), so the last of n concurrent ones
// may lose n-1 times; with the pauses below 50 attempts are about two seconds.
const maxAttempts = 50

const (
	firstPause = time.Millisecond
	longPause  = 50 * time.Millisecond
)

// rollbackTimeout bounds the rollback of a transaction whose own context is over.
const rollbackTimeout = 5 * time.Second

type inTx struct{}

// state is of one attempt; its context carries it.
type state struct {
	after []func()
	held  *held
}

// AfterCommit lets fn run once the transaction that ctx belongs to has committed, or may have: a wake-up, not work. It
// returns false when ctx is not of InTx.
func AfterCommit(ctx context.Context, fn func()) bool {
	s, ok := ctx.Value(inTx{}).(*state)
	if ok {
		s.after = append(s.after, fn)
	}
	return ok
}

// Within says whether ctx is of a closure that InTx or Read runs: they would refuse it.
func Within(ctx context.Context) bool { return ctx.Value(inTx{}) != nil }

// InTx runs fn in a SERIALIZABLE transaction and commits when it returns nil. It rolls back on an error, a panic (which
// goes on) and an ended context, and runs fn again on a serialization failure or deadlock, up to 50 times with growing
// random pauses. fn must pass its own ctx on; InTx or Read with that ctx is refused with ErrNested.
func (db *DB) InTx(ctx context.Context, fn func(ctx context.Context, tx pgx.Tx) error) error {
	return db.retry(ctx, pgx.TxOptions{IsoLevel: pgx.Serializable}, fn)
}

// Read is InTx for reading: SERIALIZABLE READ ONLY, so that all its statements see one state.
func (db *DB) Read(ctx context.Context, fn func(ctx context.Context, tx pgx.Tx) error) error {
	return db.retry(ctx, pgx.TxOptions{IsoLevel: pgx.Serializable, AccessMode: pgx.ReadOnly}, fn)
}

func (db *DB) retry(ctx context.Context, opts pgx.TxOptions, fn func(context.Context, pgx.Tx) error) error {
	if Within(ctx) {
		return ErrNested
	}
	turns := &held{turns: &db.turns}
	defer func() { turns.release() }()
	pause := firstPause
	for attempt := 1; ; attempt++ {
		err := db.once(ctx, &state{held: turns}, opts, fn)
		if err == nil || !retryable(err) {
			return err
		}
		if attempt == maxAttempts {
			return fmt.Errorf("%w: %d attempts: %w", ErrConflict, attempt, err)
		}
		turns.release()
		if !errors.Is(err, errNotYourTurn) {
			if err := sleep(ctx, rand.N(pause)); err != nil {
				return fmt.Errorf("database: retrying a conflict: %w", err)
			}
			pause = min(2*pause, longPause)
		}
		turns.await(ctx)
	}
}

// once runs one attempt on one connection.
func (db *DB) once(ctx context.Context, mine *state, opts pgx.TxOptions, fn func(context.Context, pgx.Tx) error) error {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return outside(ctx, err)
	}
	defer conn.Release()
	tx, err := conn.BeginTx(ctx, opts)
	if err != nil {
		return outside(ctx, err)
	}
	done := false
	defer func() {
		if !done { // an error or a panic of fn
			rollback(ctx, tx)
		}
	}()
	err = fn(context.WithValue(ctx, inTx{}, mine), tx)
	if mine.held.refused { // also when fn dropped the error or hid it
		return errNotYourTurn
	}
	if err != nil {
		return inside(ctx, tx, err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("database: before commit: %w", err)
	}
	done = true
	if tx.Conn().IsClosed() { // fn lost it and returned nil
		return unavailable(pgconn.ErrConnClosed)
	}
	err = commit(ctx, tx, opts)
	if err == nil || errors.Is(err, ErrUnknownOutcome) {
		for _, fn := range mine.after {
			fn()
		}
	}
	return err
}

func commit(ctx context.Context, tx pgx.Tx, opts pgx.TxOptions) error {
	err := tx.Commit(ctx)
	switch {
	case err == nil, retryable(err):
		return err
	case errors.Is(err, pgx.ErrTxCommitRollback):
		return fmt.Errorf("database: commit: a statement had failed and its error was dropped: %w", err)
	case opts.AccessMode != pgx.ReadOnly && !rolledBack(err):
		return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	case connectionTrouble(err):
		return outside(ctx, err)
	}
	return fmt.Errorf("database: commit: %w", err)
}

// outside names an error of getting or starting a transaction: nothing was asked yet, so it is about the connection.
func outside(ctx context.Context, err error) error {
	if over, is := ended(ctx, err); is {
		return over
	}
	return unavailable(err)
}

// inside names an error of fn: its own stays as it is, a lost connection becomes ErrUnavailable around it.
func inside(ctx context.Context, tx pgx.Tx, err error) error {
	if over, is := ended(ctx, err); is {
		return over
	}
	if connectionTrouble(err) || tx.Conn().IsClosed() {
		return unavailable(err)
	}
	if badText(err) {
		return fmt.Errorf("%w: %w", ErrText, err)
	}
	return err
}

func rollback(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	tx.Rollback(ctx) // when it fails pgx closes the connection, and the server rolls back
}
