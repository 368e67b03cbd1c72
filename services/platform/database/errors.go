package database

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Errors of transactions; the package comment says what each allows.
var (
	ErrUnavailable    = errors.New("database: unavailable")
	ErrConflict       = errors.New("database: too many conflicting transactions")
	ErrUnknownOutcome = errors.New("database: connection lost while committing, outcome unknown")
	// ErrText: a text has a character that no column takes (U+0000). It came from outside: protobuf lets it pass.
	ErrText = errors.New("database: a text has a character that cannot be stored")
	// ErrNested is a programming error: a transaction inside another one would deadlock or half commit.
	ErrNested = errors.New("database: transaction inside a transaction")
)

// Constraint returns the name of the constraint that a statement broke: unique, foreign key, check or not null.
func Constraint(err error) (name string, ok bool) {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || !strings.HasPrefix(pg.Code, "23") {
		return "", false
	}
	return pg.ConstraintName, true
}

// Retryable says whether InTx runs the transaction again when its closure returns err.
func Retryable(err error) bool { return retryable(err) }

// retryable says whether the transaction is to run again: serialization failure, deadlock, or not its turn.
func retryable(err error) bool {
	if errors.Is(err, errNotYourTurn) {
		return true
	}
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// connectionTrouble says whether err is about reaching the server and not about what was asked of it.
func connectionTrouble(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case "57P01", "57P02", "57P03", // shutting down, crashed, starting up
			"25P03", // idle in transaction for too long: the connection is gone
			"53300": // too many connections
			return true
		}
		return strings.HasPrefix(pg.Code, "08")
	}
	var connect *pgconn.ConnectError
	var netErr net.Error
	return errors.As(err, &connect) || errors.As(err, &netErr) ||
		errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// rolledBack says whether an error of COMMIT tells for sure that nothing was committed: the server said so in an
// ordinary error, or nothing was sent. A FATAL answer may come after the commit; 40003 is the engine's own "unknown".
//
// pgx 5.12 calls "conn closed" safe to retry also when the connection was lost waiting for the answer to COMMIT.
// The caller has seen the connection open just before, so here it means that.
func rolledBack(err error) bool {
	if pgconn.SafeToRetry(err) && !errors.Is(err, pgconn.ErrConnClosed) {
		return true
	}
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code != "40003" && pg.SeverityUnlocalized == "ERROR"
}

// badText says whether the engine refused a parameter's characters.
func badText(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "22021"
}

func unavailable(err error) error {
	if errors.Is(err, ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, hideURL(err))
}

// ended returns the context's error when it is over, in front of what the driver made of that.
func ended(ctx context.Context, err error) (error, bool) {
	if ctx.Err() == nil {
		return nil, false
	}
	return fmt.Errorf("database: %w: %w", ctx.Err(), err), true
}

// hideURL keeps the password out of driver errors. pgx redacts what it can parse; a URL that it cannot parse is dropped.
func hideURL(err error) error {
	var parse *pgconn.ParseConfigError
	if errors.As(err, &parse) {
		return errors.New("cannot be parsed")
	}
	return err
}
