package postgres

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// commitTime bounds one commit with all its repetitions. Callers have deadlines of their own.
const commitTime = 20 * time.Second

var (
	errWider   = errors.New("the commit needs the head of another region first")
	errCulprit = errors.New("a command has to be taken out")
	errDropped = errors.New("a statement had failed and its error was dropped")
	errGone    = errors.New("the caller is gone")
	// errNothing rolls back a transaction that no command has used.
	errNothing = errors.New("nothing to commit")
)

// turn is one try to make one commit of some commands.
type turn struct {
	store    *Store
	at       place
	also     []region.Name // regions whose heads an earlier try turned out to need
	commands []*command
	gather   func() []*command // where they come from, until they are known

	// Set afresh by every run.
	writer   *writer
	recalled *idempotency.Recalled
	answers  []idempotency.Answer
	outcomes []error // of commands
	culprit  *command
	wider    []region.Name
}

// gathered makes the commands known.
func (t *turn) gathered() {
	if t.gather != nil {
		t.commands, t.gather = t.gather(), nil
	}
}

// commit runs the commands in one transaction. Without an error each command has its outcome.
func (t *turn) commit() error {
	ctx, cancel := context.WithTimeout(context.Background(), commitTime)
	defer cancel()
	err := t.store.DB.InTx(ctx, t.run)
	if errors.Is(err, errNothing) {
		return nil
	}
	if told := t.store.Committed; err == nil && told != nil {
		for _, c := range t.writer.begun {
			told(c.Org, c.Region, c.Version)
		}
	}
	return err
}

func (t *turn) run(ctx context.Context, tx pgx.Tx) error {
	if t.gathered(); len(t.commands) == 0 { // all have left
		return errNothing
	}
	t.writer, t.answers, t.culprit, t.wider = t.store.writer(tx, t.at, t.also), nil, nil, nil
	t.outcomes = make([]error, len(t.commands))
	if err := t.prefetch(ctx); err != nil {
		return err
	}
	for i, c := range t.commands {
		err, over := t.one(ctx, c)
		if over != nil {
			return over
		}
		t.outcomes[i] = err
	}
	if !t.writer.used() && len(t.answers) == 0 {
		return errNothing
	}
	return t.finish(ctx)
}

func (t *turn) prefetch(ctx context.Context) error {
	var batch pgx.Batch
	var plans []grants.Plan
	var keys []idempotency.Key
	for _, c := range t.commands {
		plans = append(plans, c.plan)
		if c.key.Key != "" {
			keys = append(keys, c.key)
		}
	}
	if err := t.writer.prefetch(ctx, &batch, plans); err != nil {
		return err
	}
	t.recalled = t.store.Keeper.Recall(&batch, t.at.home, t.at.org, keys)
	if batch.Len() == 0 {
		return nil
	}
	return wrap(t.writer.db.SendBatch(ctx, &batch).Close(), "begin a commit of %s", t.at.org)
}

// one runs one command. err is its outcome; over ends the run.
func (t *turn) one(ctx context.Context, c *command) (err, over error) {
	ctx = valuesOf{ctx, c.ctx}
	t.writer.start(ctx)
	answers := len(t.answers)
	err = c.try(ctx, t)
	if failed := t.writer.failed(err); failed != nil {
		t.wider = append(slices.Clone(t.also), t.writer.wider...)
		if len(t.commands) > 1 && t.writer.blames(failed) {
			return nil, t.out(c)
		}
		return nil, failed
	}
	if err == nil {
		return nil, nil
	}
	if len(t.commands) == 1 {
		return nil, err
	}
	if !t.writer.undo() {
		return nil, t.out(c)
	}
	t.answers = t.answers[:answers]
	return err, nil
}

func (t *turn) out(c *command) error {
	t.culprit = c
	return errCulprit
}

// panicked is a panic of a command's closure, with where it was.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v\n%s", p.value, p.stack) }

// try runs a command's closure. A panic is its caller's and not the committer's; what it left of the transaction is not
// relied upon.
func (c *command) try(ctx context.Context, t *turn) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return errGone
	}
	defer func() {
		if value := recover(); value != nil {
			t.writer.reached = true
			err = &panicked{value, debug.Stack()}
		}
	}()
	return c.run(ctx, t)
}

func (t *turn) finish(ctx context.Context) error {
	var batch pgx.Batch
	if err := t.writer.finish(ctx, &batch); err != nil {
		return err
	}
	t.store.Keeper.Keep(&batch, t.at.home, t.at.org, t.answers)
	return wrap(t.writer.db.SendBatch(ctx, &batch).Close(), "write a commit of %s", t.at.org)
}

// answer tells each command its outcome, or err to all. It returns those that must be part of another commit.
func (t *turn) answer(err error) (again []*command) {
	for i, c := range t.commands {
		outcome := err
		if err == nil {
			outcome = t.outcomes[i]
		}
		if errors.Is(outcome, errSameRow) && len(t.commands) > 1 {
			again = append(again, c)
			continue
		}
		c.done <- outcome
	}
	return again
}

// valuesOf is the transaction's context that also has the values of a caller's: who acts, and the trace.
type valuesOf struct {
	context.Context
	caller context.Context
}

func (v valuesOf) Value(key any) any {
	if value := v.Context.Value(key); value != nil {
		return value
	}
	return v.caller.Value(key)
}
