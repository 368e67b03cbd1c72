package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Group commit: writers of one organization would wait for each other on its head. So their commands are queued per
// organization and home, and while one commit is on its way the next one gathers; nobody waits for a commit to fill.

const (
	// atOnce bounds the commands of one commit, and so how much is done again when it has to be.
	atOnce = 128
	// maxQueued bounds the commands that wait for one organization: some seconds of work.
	maxQueued = 8192
)

// place is where commits of one line follow each other.
type place struct {
	org  region.ID
	home region.Name
}

// command is one closure that waits to be part of a commit.
type command struct {
	plan grants.Plan
	key  idempotency.Key // Key.Key is empty: none
	ctx  context.Context // of the caller
	run  func(ctx context.Context, t *turn) error
	done chan error

	mu   sync.Mutex // held while run runs
	gone bool       // the caller does not wait any more: run must not run again
}

// queues are the commands that wait. A queue lives, with one goroutine, as long as there are any.
type queues struct {
	mu   sync.Mutex // guards live and every queue
	live map[place]*queue
	// turns bounds the transactions at once: half of the connections are left to those who read.
	turns chan struct{}
}

type queue struct{ waiting []*command }

// submit waits until a command was part of a commit, or has failed.
func (s *Store) submit(ctx context.Context, c *command) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("before a commit: %w", err)
	}
	if database.Within(ctx) {
		return database.ErrNested // it would wait for itself
	}
	c.ctx, c.done = ctx, make(chan error, 1)
	at := place{c.plan.Org, c.plan.Home}
	if err := s.enqueue(at, c); err != nil {
		return err
	}
	select {
	case err := <-c.done:
		return c.told(err)
	case <-ctx.Done():
		return s.leave(at, c)
	}
}

// told gives a panic back to the goroutine whose closure it was.
func (c *command) told(err error) error {
	var p *panicked
	if errors.As(err, &p) {
		panic(p)
	}
	return err
}

func (s *Store) enqueue(at place, c *command) error {
	s.queues.mu.Lock()
	defer s.queues.mu.Unlock()
	q := s.queues.live[at]
	if q == nil {
		q = &queue{}
		s.queues.live[at] = q
		go s.work(at, q)
	}
	if len(q.waiting) >= maxQueued {
		return fmt.Errorf("%w: %d commands of %s wait already", database.ErrUnavailable, maxQueued, at.org)
	}
	q.waiting = append(q.waiting, c)
	return nil
}

// leave is for a caller whose context is over. A closure that runs just now is waited for: it writes what is the caller's.
func (s *Store) leave(at place, c *command) error {
	if s.withdraw(at, c) {
		return fmt.Errorf("before a commit: %w", c.ctx.Err())
	}
	c.mu.Lock()
	c.gone = true
	c.mu.Unlock()
	select {
	case err := <-c.done:
		return c.told(err)
	default:
		return fmt.Errorf("%w: %w", database.ErrUnknownOutcome, c.ctx.Err())
	}
}

func (s *Store) withdraw(at place, c *command) bool {
	s.queues.mu.Lock()
	defer s.queues.mu.Unlock()
	q := s.queues.live[at]
	if q == nil {
		return false
	}
	i := slices.Index(q.waiting, c)
	if i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
	return i >= 0
}

// work makes commits until nobody waits. Who is part of a commit is decided when its transaction has begun: who comes while
// a connection is waited for comes along.
func (s *Store) work(at place, q *queue) {
	for s.goesOn(at, q) {
		s.queues.turns <- struct{}{}
		again := s.together(at, nil, func() []*command { return s.take(q) })
		<-s.queues.turns
		s.putBack(q, again)
	}
}

// goesOn says whether anybody waits, and ends the queue where not.
func (s *Store) goesOn(at place, q *queue) bool {
	s.queues.mu.Lock()
	defer s.queues.mu.Unlock()
	if len(q.waiting) == 0 {
		delete(s.queues.live, at)
		return false
	}
	return true
}

// take returns the commands of the next commit.
func (s *Store) take(q *queue) []*command {
	s.queues.mu.Lock()
	defer s.queues.mu.Unlock()
	var taken, left []*command
	keys := map[idempotency.Key]bool{}
	for _, c := range q.waiting {
		if len(taken) == atOnce || c.key.Key != "" && keys[c.key] {
			left = append(left, c)
			continue
		}
		keys[c.key] = true
		taken = append(taken, c)
	}
	q.waiting = left
	return taken
}

// putBack lets commands be the first of the next commit.
func (s *Store) putBack(q *queue, again []*command) {
	s.queues.mu.Lock()
	defer s.queues.mu.Unlock()
	q.waiting = append(again, q.waiting...)
}

// together makes one commit of commands, or several where that does not work, and returns those to be run in the next.
// gather, if any, names the commands when they are needed.
func (s *Store) together(at place, commands []*command, gather func() []*command) (again []*command) {
	var also []region.Name
	for {
		t := &turn{store: s, at: at, also: also, commands: commands, gather: gather}
		err := t.commit()
		t.gathered()
		commands, gather = t.commands, nil
		half := len(commands) / 2
		switch {
		case errors.Is(err, errWider):
			also = t.wider
		case t.culprit != nil: // it gets a commit of its own
			rest := slices.DeleteFunc(slices.Clone(commands), func(c *command) bool { return c == t.culprit })
			return append(s.together(at, rest, nil), s.together(at, []*command{t.culprit}, nil)...)
		case err != nil && half > 0 && !ofTheDatabase(err): // one of them, and nobody knows which
			return append(s.together(at, commands[:half], nil), s.together(at, commands[half:], nil)...)
		default:
			return t.answer(err)
		}
	}
}

// ofTheDatabase says whether an error is nobody's fault: it would hit each of the commands by itself.
func ofTheDatabase(err error) bool {
	for _, one := range []error{database.ErrUnavailable, database.ErrConflict, database.ErrUnknownOutcome, context.DeadlineExceeded} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}
