package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// bulk is a statement that writes many rows at once: INSERT ... SELECT ... FROM unnest(...), say.
type bulk struct {
	// table and the first key arrays name a row; two commands that write the same row are not in one transaction.
	table string
	sql   string
	fixed int  // how many parameters are the same for all rows, the region first; the others are arrays, a value for each row
	key   int  // how many arrays are the row's key
	rank  rank // statements of a lower rank run first
	again bool // the same row may be written again: the later one counts
	// each: a statement for each row, with values in the place of arrays. For changes of rows that are there: a join with a
	// list may read the whole table, as long as nobody has analyzed it.
	each bool
}

type rank int

// What is superseded makes room for what is known now.
const (
	updates rank = 10
	inserts rank = 20
)

// errSameRow: another command of this transaction has written the row already. A version of it is written once.
var errSameRow = errors.New("another command of this commit writes the same row")

// buffer keeps rows that wait to be written. They are written before anything is read from the database, and at the end.
type buffer struct {
	to    pgx.Tx
	piles []*pile
	// written are the rows that this transaction has written, and by which command.
	written map[string]int
	wrote   bool  // something has reached the database
	broken  error // of a flush: the transaction is over

	// Of the command that runs now.
	command int
	sizes   []int    // of piles, when it started
	rows    []string // that it wrote
	waiting bool     // some of its rows wait in piles
	reached bool     // some have reached the database
}

// pile is what waits for one statement in one region.
type pile struct {
	of      *bulk
	fixed   []any
	columns [][]any
	size    int
}

func newBuffer(tx pgx.Tx) *buffer { return &buffer{to: tx, written: map[string]int{}} }

func (b *buffer) start() {
	b.command++
	b.sizes = b.sizes[:0]
	for _, p := range b.piles {
		b.sizes = append(b.sizes, p.size)
	}
	b.rows, b.waiting, b.reached = nil, false, false
}

func (b *buffer) undo() {
	for i, p := range b.piles {
		size := 0
		if i < len(b.sizes) {
			size = b.sizes[i]
		}
		p.cut(size)
	}
	for _, row := range b.rows {
		delete(b.written, row)
	}
}

func (p *pile) cut(size int) {
	for i := range p.columns {
		p.columns[i] = p.columns[i][:size]
	}
	p.size = size
}

// later adds a row to what will be written: the fixed values, then one for each array.
func (b *buffer) later(ctx context.Context, of *bulk, values ...any) error {
	for _, v := range values {
		if !storable(v) {
			return fmt.Errorf("write %s: %w", of.table, database.ErrText)
		}
	}
	row := of.row(values)
	by, is := b.written[row]
	if is && !of.again && by != b.command {
		return fmt.Errorf("write %s: %w", of.table, errSameRow)
	}
	if is { // the database says whether it may be, and which counts
		if err := b.flush(ctx); err != nil {
			return err
		}
	} else {
		b.rows = append(b.rows, row)
		b.written[row] = b.command
	}
	b.pile(of, values[:of.fixed]).add(values[of.fixed:])
	b.waiting = true
	return nil
}

func (of *bulk) row(values []any) string {
	var name strings.Builder
	fmt.Fprint(&name, of.table, "\x00", values[0])
	for _, v := range values[of.fixed : of.fixed+of.key] {
		fmt.Fprint(&name, "\x00", v)
	}
	return name.String()
}

func (b *buffer) pile(of *bulk, fixed []any) *pile {
	for _, p := range b.piles {
		if p.of == of && slices.Equal(p.fixed, fixed) {
			return p
		}
	}
	p := &pile{of: of, fixed: fixed}
	b.piles = append(b.piles, p)
	return p
}

func (p *pile) add(row []any) {
	if p.columns == nil {
		p.columns = make([][]any, len(row))
	}
	for i, v := range row {
		p.columns[i] = append(p.columns[i], v)
	}
	p.size++
}

// queue adds the statements to batch and empties the piles.
func (b *buffer) queue(batch *pgx.Batch) {
	slices.SortStableFunc(b.piles, func(x, y *pile) int { return int(x.of.rank - y.of.rank) })
	for _, p := range b.piles {
		if p.size == 0 {
			continue
		}
		if p.of.each {
			p.queueEach(batch)
		} else {
			p.queueAll(batch)
		}
		p.cut(0)
	}
	clear(b.sizes)
	b.reached = b.reached || b.waiting
	b.wrote = true
}

func (p *pile) queueAll(batch *pgx.Batch) {
	args := slices.Clone(p.fixed)
	for _, column := range p.columns {
		args = append(args, slices.Clone(column))
	}
	batch.Queue(p.of.sql, args...).Exec(p.of.counted(p.size))
}

func (p *pile) queueEach(batch *pgx.Batch) {
	for i := range p.size {
		args := slices.Clone(p.fixed)
		for _, column := range p.columns {
			args = append(args, column[i])
		}
		batch.Queue(p.of.sql, args...).Exec(p.of.counted(1))
	}
}

// counted refuses a statement that did not write every row: what it was to change has changed meanwhile.
func (of *bulk) counted(rows int) func(pgconn.CommandTag) error {
	return func(done pgconn.CommandTag) error {
		if done.RowsAffected() != int64(rows) {
			return fmt.Errorf("write %s: %d rows are current, not %d", of.table, done.RowsAffected(), rows)
		}
		return nil
	}
}

// full says whether anything waits.
func (b *buffer) full() bool {
	return slices.ContainsFunc(b.piles, func(p *pile) bool { return p.size > 0 })
}

// flush writes what waits. It is done before a read that may have to see it.
func (b *buffer) flush(ctx context.Context) error {
	if !b.full() {
		return nil
	}
	var batch pgx.Batch
	b.queue(&batch)
	if err := b.to.SendBatch(ctx, &batch).Close(); err != nil {
		b.broken = fmt.Errorf("write what waits: %w", err)
		return b.broken
	}
	return nil
}

// storable says whether an engine takes a value: a text with U+0000 would fail the whole commit, and others with it.
func storable(v any) bool {
	switch text := v.(type) {
	case string:
		return !strings.Contains(text, "\x00")
	case region.ID:
		return !strings.Contains(string(text), "\x00")
	}
	return true
}
