package postgres

import (
	"context"
	"regexp"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// conduit is the transaction as the reader's and writer's own statements see it: what waits in the buffer is written
// before each, and what was read earlier is forgotten before one that writes. So a method that knows neither buffer nor
// cache is right with both.
//
// A flush that fails ends the transaction, and the statement after it fails as well: the writer tells the first reason.
type conduit struct {
	pgx.Tx
	w *writer
}

func (t conduit) before(ctx context.Context, statements ...string) {
	_ = t.w.flush(ctx) // kept in broken
	for _, sql := range statements {
		if !reads(sql) {
			t.w.reached, t.w.wrote = true, true
			t.w.cache.clear()
		}
	}
}

func (t conduit) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	t.before(ctx, sql)
	return t.Tx.Exec(ctx, sql, args...)
}

func (t conduit) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	t.before(ctx, sql)
	return t.Tx.Query(ctx, sql, args...)
}

func (t conduit) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	t.before(ctx, sql)
	return t.Tx.QueryRow(ctx, sql, args...)
}

func (t conduit) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	var statements []string
	for _, q := range b.QueuedQueries {
		statements = append(statements, q.SQL)
	}
	t.before(ctx, statements...)
	return t.Tx.SendBatch(ctx, b)
}

func (t conduit) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, from pgx.CopyFromSource) (int64, error) {
	t.before(ctx, "COPY")
	return t.Tx.CopyFrom(ctx, table, columns, from)
}

// changes are the words of which a statement that only reads has none.
var changes = regexp.MustCompile(`(?i)\b(insert|update|delete|upsert|truncate|copy)\b`)

// reads says whether a statement surely changes nothing.
func reads(sql string) bool { return !changes.MatchString(sql) }
