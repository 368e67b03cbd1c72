package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// Service is the name in tokens, heads and subjects.
const Service = "permissions"

// writer is grants.Tx over one transaction, for one command after another. What a command wrote can be taken back as long
// as it has not reached the database.
type writer struct {
	*reader
	*buffer
	*cache
	db     pgx.Tx // without the buffer before it
	at     place
	also   []region.Name // regions whose heads are locked from the start
	record func(*outbox.Commit, grants.Change) error

	commits map[region.Name]*commit
	begun   []*commit // in the order of their regions
	// wider is set when a command needs a head that must be locked before one that is held already.
	wider []region.Name

	// Of the command that runs now.
	users []*commit
	marks []outbox.Mark // of begun
}

var _ grants.Tx = (*writer)(nil)

func (s *Store) writer(tx pgx.Tx, at place, also []region.Name) *writer {
	w := &writer{buffer: newBuffer(tx), cache: newCache(), db: tx, at: at, also: also, record: s.Config.Record, commits: map[region.Name]*commit{}}
	w.reader = s.reader(conduit{tx, w})
	return w
}

// start makes a mark to which undo goes back.
func (w *writer) start(ctx context.Context) {
	w.buffer.start()
	w.cache.start()
	w.users, w.marks = nil, nil
	for _, c := range w.begun {
		c.As(ctx)
		w.marks = append(w.marks, c.Mark())
	}
}

// undo forgets what the running command has written. It cannot when some of it reached the database.
func (w *writer) undo() bool {
	if w.reached {
		return false
	}
	w.buffer.undo()
	w.cache.undo()
	for _, c := range w.users {
		c.users--
	}
	for i, mark := range w.marks {
		w.begun[i].Undo(mark)
	}
	return true
}

// Commit implements grants.Tx. A transaction is about one organization.
func (w *writer) Commit(ctx context.Context, home region.Name, org region.ID) (grants.Commit, error) {
	if org != w.at.org {
		return nil, fmt.Errorf("commit for %s inside one for %s", org, w.at.org)
	}
	c := w.commits[home]
	if c == nil {
		var err error
		if c, err = w.begin(ctx, home); err != nil {
			return nil, err
		}
	}
	if !slices.Contains(w.users, c) {
		w.users = append(w.users, c)
		c.users++
	}
	return c, nil
}

// begin begins a commit in a region that was not expected. Everybody locks the heads of one organization in the order of
// their regions, so that nobody waits in a circle: one that comes too late ends the run, and the next takes it in order.
func (w *writer) begin(ctx context.Context, home region.Name) (*commit, error) {
	locked := slices.Contains(w.also, home)
	if !locked && len(w.begun) > 0 && home < w.begun[len(w.begun)-1].Region {
		w.wider = append(w.wider, home)
		return nil, errWider
	}
	w.reached = true
	var batch pgx.Batch
	c, err := w.beginIn(ctx, &batch, home)
	if err == nil {
		err = w.db.SendBatch(ctx, &batch).Close()
	}
	if err != nil {
		w.broken = err
		return nil, err
	}
	w.add(c)
	w.marks = nil // what has reached the database is not taken back
	return c, nil
}

// beginIn adds the statements of a new commit to batch.
func (w *writer) beginIn(ctx context.Context, batch *pgx.Batch, home region.Name) (*commit, error) {
	c := &commit{record: w.record, before: grants.Head{Token: grants.Token{Service: Service, Region: home, Org: w.at.org}}}
	batch.Queue(selectHead, home, w.at.org).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&c.before.Version, &c.before.RecordedAt}, func() error {
			c.before.RecordedAt = c.before.RecordedAt.UTC()
			return nil
		})
		return err
	})
	begun, err := w.outbox.BeginIn(ctx, w.db, batch, home, w.at.org)
	c.Commit = begun
	return c, err
}

func (w *writer) add(c *commit) {
	w.commits[c.Region] = c
	w.begun = append(w.begun, c)
	slices.SortFunc(w.begun, func(a, b *commit) int { return compare(a.Region, b.Region) })
}

// Head is the reader's, but for the head that this transaction is making: before anything is written under it, it is not.
func (w *writer) Head(ctx context.Context, home region.Name, org region.ID) (grants.Head, error) {
	c := w.commits[home]
	switch {
	case c == nil || org != w.at.org:
		return w.reader.Head(ctx, home, org)
	case c.users == 0:
		return c.before, nil
	}
	return grants.Head{Token: c.Token(), RecordedAt: c.RecordedAt}, nil
}

// used says whether there is anything to commit.
func (w *writer) used() bool {
	return w.wrote || w.full() || slices.ContainsFunc(w.begun, func(c *commit) bool { return c.users > 0 })
}

// finish adds all that waits to batch.
func (w *writer) finish(ctx context.Context, batch *pgx.Batch) error {
	w.buffer.queue(batch)
	for _, c := range w.begun {
		if err := c.FlushIn(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// failed returns what ended the transaction, if it is over: it then takes no further statements.
func (w *writer) failed(err error) error {
	switch {
	case w.wider != nil:
		return errWider
	case w.broken != nil:
		return w.broken
	case w.db.Conn().IsClosed(), w.db.Conn().PgConn().TxStatus() != 'T':
		if err == nil {
			err = errDropped
		}
		return err
	case database.Retryable(err):
		return err
	}
	return nil
}

// blames says whether what ended the transaction was the running command's own statement: not another's row that was
// written before it, not a conflict, and not the connection.
func (w *writer) blames(failed error) bool {
	return w.broken == nil && w.wider == nil && !database.Retryable(failed) && !w.db.Conn().IsClosed()
}
