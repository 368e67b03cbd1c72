package system

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// copies are COPY statements that run side by side, one connection and one process of the database each.
type copies struct {
	tables map[string]*copying
}

// copying is a table that rows are written to. Methods append a value of the row, in the order of columnsOf; end ends it.
// Nothing is allocated for a row.
type copying struct {
	buffer []byte
	pipe   *io.PipeWriter
	done   chan error
	rows   int
	err    error // the first
}

// chunk is how many bytes of rows are sent at once.
const chunk = 1 << 18

// columnsOf are the columns of rows, in their order.
var columnsOf = map[string]string{
	"events":        "region, stream, version, id, schema_version, org, org_version, kind, payload, key_id, actor, cause, traceparent, occurred_at, recorded_at",
	"event_streams": "region, stream, version",
	"memberships":   "region, group_id, member_id, version, org, valid_from, valid_to, recorded_at, superseded_at",
	"grants":        "region, id, version, org, subject_id, target_id, schedule_id, site_id, revoked, valid_from, valid_to, recorded_at, superseded_at",
	"groups":        "region, id, version, org, name, valid_from, valid_to, recorded_at, superseded_at",
	"doors":         "region, id, version, org, site_id, name, unlock_ms, valid_from, valid_to, recorded_at, superseded_at",
	"zones":         "region, id, version, org, site_id, name, valid_from, valid_to, recorded_at, superseded_at",
	"zone_doors":    "region, zone_id, door_id, version, org, valid_from, valid_to, recorded_at, superseded_at",
	"schedules":     "region, id, version, org, site_id, name, time_zone, spec, valid_from, valid_to, recorded_at, superseded_at",
}

func newCopies(ctx context.Context, connect connector) (*copies, error) {
	c := &copies{tables: map[string]*copying{}}
	for name, columns := range columnsOf {
		conn, err := connect(ctx)
		if err != nil {
			return nil, c.close(err)
		}
		c.tables[name] = newCopying(ctx, conn, "COPY "+name+" ("+columns+") FROM STDIN")
	}
	return c, nil
}

func newCopying(ctx context.Context, conn *pgx.Conn, statement string) *copying {
	read, write := io.Pipe()
	t := &copying{buffer: make([]byte, 0, chunk+1<<12), pipe: write, done: make(chan error, 1)}
	go func() {
		defer conn.Close(ctx)
		_, err := conn.PgConn().CopyFrom(ctx, read, statement)
		read.CloseWithError(err)
		t.done <- err
	}()
	return t
}

func (t *copying) text(values ...string) *copying {
	for _, v := range values {
		t.buffer = append(append(t.buffer, v...), '\t')
	}
	return t
}

func (t *copying) number(n int64) *copying {
	t.buffer = append(strconv.AppendInt(t.buffer, n, 10), '\t')
	return t
}

func (t *copying) id(prefix string, id uuid) *copying {
	t.buffer = append(id.append(append(t.buffer, prefix...)), '\t')
	return t
}

func (t *copying) bytes(b []byte) *copying {
	t.buffer = append(hex.AppendEncode(append(t.buffer, `\\x`...), b), '\t')
	return t
}

// times appends moments; zero is NULL.
func (t *copying) times(moments ...time.Time) *copying {
	for _, at := range moments {
		if at.IsZero() {
			t.buffer = append(t.buffer, `\N`...)
		} else {
			t.buffer = at.UTC().AppendFormat(t.buffer, "2006-01-02 15:04:05.999999+00")
		}
		t.buffer = append(t.buffer, '\t')
	}
	return t
}

func (t *copying) end() {
	t.rows++
	t.buffer[len(t.buffer)-1] = '\n'
	if len(t.buffer) >= chunk {
		t.flush()
	}
}

func (t *copying) flush() {
	if t.err == nil {
		_, t.err = t.pipe.Write(t.buffer)
	}
	t.buffer = t.buffer[:0]
}

// close ends all copies: they commit unless err says that the rows are not all there.
func (c *copies) close(err error) error {
	for name, t := range c.tables {
		t.flush()
		t.pipe.CloseWithError(first(err, t.err)) // nil: the rows are all there
		if ended := <-t.done; err == nil && ended != nil {
			err = fmt.Errorf("copy into %s: %w", name, ended)
		}
	}
	return err
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
