package system

import (
	"bufio"
	"context"
	"fmt"
	"io"
)

// copies are COPY statements that run side by side, one connection each.
type copies struct {
	tables map[string]*copying
	err    error // the first
}

type copying struct {
	pipe *io.PipeWriter
	rows *bufio.Writer
	done chan error
}

// columnsOf are the columns of rows, in their order.
var columnsOf = map[string]string{
	"events":      "region, stream, version, id, schema_version, org, org_version, kind, payload, key_id, actor, cause, traceparent, occurred_at, recorded_at",
	"memberships": "region, group_id, member_id, version, org, valid_from, valid_to, recorded_at, superseded_at",
	"grants":      "region, id, version, org, subject_id, target_id, schedule_id, site_id, revoked, valid_from, valid_to, recorded_at, superseded_at",
	"groups":      "region, id, version, org, name, valid_from, valid_to, recorded_at, superseded_at",
	"doors":       "region, id, version, org, site_id, name, unlock_ms, valid_from, valid_to, recorded_at, superseded_at",
	"zones":       "region, id, version, org, site_id, name, valid_from, valid_to, recorded_at, superseded_at",
	"zone_doors":  "region, zone_id, door_id, version, org, valid_from, valid_to, recorded_at, superseded_at",
	"schedules":   "region, id, version, org, site_id, name, time_zone, spec, valid_from, valid_to, recorded_at, superseded_at",
}

func (s *System) newCopies(ctx context.Context) (*copies, error) {
	c := &copies{tables: map[string]*copying{}}
	for name, columns := range columnsOf {
		conn, err := s.SQL(ctx, "permissions", "permissions")
		if err != nil {
			return nil, c.close(err)
		}
		read, write := io.Pipe()
		t := &copying{pipe: write, rows: bufio.NewWriterSize(write, 1<<20), done: make(chan error, 1)}
		go func() {
			defer conn.Close(ctx)
			_, err := conn.PgConn().CopyFrom(ctx, read, "COPY "+name+" ("+columns+") FROM STDIN")
			read.CloseWithError(err)
			t.done <- err
		}()
		c.tables[name] = t
	}
	return c, nil
}

func (c *copies) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

func (c *copies) write(table string, values ...string) {
	rows := c.tables[table].rows
	for i, v := range values {
		if i > 0 {
			rows.WriteByte('\t')
		}
		rows.WriteString(v)
	}
	if err := rows.WriteByte('\n'); err != nil { // a writer keeps its first error
		c.fail(fmt.Errorf("copy into %s: %w", table, err))
	}
}

// close ends all copies: they commit unless err says that the rows are not all there.
func (c *copies) close(err error) error {
	for name, t := range c.tables {
		flushed := t.rows.Flush()
		switch {
		case err != nil:
			t.pipe.CloseWithError(err)
		case flushed != nil:
			t.pipe.CloseWithError(flushed)
		default:
			t.pipe.Close()
		}
		if ended := <-t.done; err == nil && ended != nil {
			err = fmt.Errorf("copy into %s: %w", name, ended)
		}
	}
	return err
}
