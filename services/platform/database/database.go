// Package database is the one way to PostgreSQL and CockroachDB: pool, transactions, migrations, and the first set-up.
//
// Two engines run one SQL (see services/decisions). Every transaction is SERIALIZABLE and goes through InTx or Read, which
// retry what is safe to retry. A closure given to them may run several times: it neither calls other services nor
// publishes, and it sets its results afresh on every run.
//
// What callers may rely on:
//   - an error that is not ErrUnknownOutcome means that nothing was committed;
//   - ErrUnavailable: the database could not be reached, or went away before the commit was sent; safe to retry later;
//   - ErrConflict: other transactions won every time; safe to retry whole;
//   - ErrUnknownOutcome: the connection was lost while committing; look again before retrying, or retry under the same
//     idempotency key.
//
// A DB is safe for concurrent use; a transaction belongs to one goroutine.
package database

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace"
)

// Engine names the kind of server.
type Engine string

// The two engines. An empty Engine counts as Postgres.
const (
	Postgres  Engine = "postgres"
	Cockroach Engine = "cockroach"
)

// Check refuses an engine that is not one of the two.
func (e Engine) Check() error {
	switch e {
	case "", Postgres, Cockroach:
		return nil
	}
	return fmt.Errorf("database: engine %q is neither %s nor %s", e, Postgres, Cockroach)
}

// Config says where the database is and as whom to work in it.
type Config struct {
	URL      string
	Engine   Engine // default Postgres
	Schema   string // the service's schema: the search_path of every connection
	MaxConns int32  // default 10
	// Tracer records a span for every statement, without its arguments; nil: none.
	Tracer trace.TracerProvider
}

// connectTimeout bounds one attempt to connect, so that a dead host costs a request seconds and not minutes.
const connectTimeout = 5 * time.Second

// idleInTransaction ends transactions of a stopped process, which would keep its locks for ever.
const idleInTransaction = 30 * time.Second

// DB is a pool of connections to one database, working in one schema.
type DB struct {
	Engine Engine
	Schema string
	pool   *pgxpool.Pool
	turns  turns
}

// Open checks cfg and makes the pool. It does not connect: a service starts while its database is down (see Wait).
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if err := cfg.Engine.Check(); err != nil {
		return nil, err
	}
	if cfg.Engine == "" {
		cfg.Engine = Postgres
	}
	pc, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("database: bad url: %w", hideURL(err))
	}
	pc.MaxConns = 10
	if cfg.MaxConns > 0 {
		pc.MaxConns = cfg.MaxConns
	}
	pc.ConnConfig.ConnectTimeout = connectTimeout
	if pc.ConnConfig.ValidateConnect == nil {
		// A standby is no database of ours, whatever name or address leads to it during a failover: it is behind, and nothing
		// would say so. Where the URL names several hosts the one that takes writes is found.
		pc.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	params := pc.ConnConfig.RuntimeParams
	params["search_path"] = searchPath(cfg.Schema)
	params["idle_in_transaction_session_timeout"] = fmt.Sprint(idleInTransaction.Milliseconds())
	if cfg.Tracer != nil {
		pc.ConnConfig.Tracer = otelpgx.NewTracer(otelpgx.WithTracerProvider(cfg.Tracer), otelpgx.WithTrimSQLInSpanName())
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	return &DB{Engine: cfg.Engine, Schema: cfg.Schema, pool: pool, turns: turns{keys: map[string]*turn{}}}, nil
}

// Pool is for COPY and for single statements whose result depends on no other row: they run at the engine's default
// isolation (READ COMMITTED on PostgreSQL), so they never conflict, and what they read is not guarded against change.
func (db *DB) Pool() *pgxpool.Pool { return db.pool }

// Close waits for the connections in use and closes all.
func (db *DB) Close() { db.pool.Close() }

// Ping says whether the database answers: ErrUnavailable when it does not.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.pool.Ping(ctx); err != nil {
		return unavailable(err)
	}
	return nil
}

// Wait returns when the database answers, or with the context's error. It logs each failed try; tries are up to 5 s apart.
func (db *DB) Wait(ctx context.Context, log *slog.Logger) error {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := db.Ping(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		log.WarnContext(ctx, "the database does not answer, trying again", "error", err.Error(), "after", pause.String())
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// searchPath: the service's schema, then public, where the type crdb_internal_region is.
func searchPath(schema string) string {
	if schema == "" {
		return "public"
	}
	return schema + ", public"
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
