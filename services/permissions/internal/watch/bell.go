// Package watch waits for an organization's next commit, without a database connection for each who waits.
//
// Commits of this process ring at once. Those of others are found by asking for the heads of all organizations that
// somebody waits for, in one query, at most every quarter of a second and only while somebody waits; there is no
// goroutine of its own. A [Bell] is safe for concurrent use.
package watch

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Heads asks for the latest commits of organizations in regions.
type Heads func(ctx context.Context, of []grants.Token) ([]grants.Token, error)

// ErrTooMany: as many wait as may.
var ErrTooMany = errors.New("as many calls wait for commits as may")

const (
	// poll is how often heads are asked for; the latency of a commit that another process made.
	poll = 250 * time.Millisecond
	// maxWaiting bounds who waits: each holds one of the calls that a server handles at once (512).
	maxWaiting = 256
	// maxEach bounds who waits for one organization in one region, so that no tenant takes the places of all.
	maxEach = 32
)

// Bell tells who waits that there is a commit.
type Bell struct {
	heads Heads

	mu      sync.Mutex // guards what follows
	lines   map[line]*state
	waiting int
	asked   time.Time // when heads were last asked for
}

// line is an organization in a region.
type line struct {
	home region.Name
	org  region.ID
}

type state struct {
	version int64         // the latest that is known
	moved   chan struct{} // closed and renewed when it rises
	waiting int
}

// NewBell asks heads for commits of other processes.
func NewBell(heads Heads) *Bell { return &Bell{heads: heads, lines: map[line]*state{}} }

// Ring tells that a commit was made. Early or in vain does no harm: who wakes looks for itself.
func (b *Bell) Ring(commit grants.Token) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ring(commit)
}

func (b *Bell) ring(commit grants.Token) {
	s := b.lines[line{commit.Region, commit.Org}]
	if s == nil || s.version >= commit.Version {
		return
	}
	s.version = commit.Version
	close(s.moved)
	s.moved = make(chan struct{})
}

// Wait returns true when there is a commit after seen, false when the time is up. It fails when it cannot know: the
// database does not answer, or too many wait.
func (b *Bell) Wait(ctx context.Context, seen grants.Token, timeout time.Duration) (moved bool, err error) {
	s, err := b.enter(seen)
	if err != nil {
		return false, err
	}
	defer b.leave(seen, s)
	limit, tick := time.NewTimer(timeout), time.NewTicker(poll)
	defer limit.Stop()
	defer tick.Stop()
	for {
		b.mu.Lock()
		changed, there := s.moved, s.version > seen.Version
		b.mu.Unlock()
		if there {
			return true, nil
		}
		select {
		case <-changed:
		case <-tick.C:
			if err := b.ask(ctx); err != nil {
				return false, err
			}
		case <-limit.C:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

func (b *Bell) enter(seen grants.Token) (*state, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting == maxWaiting {
		return nil, ErrTooMany
	}
	at := line{seen.Region, seen.Org}
	s := b.lines[at]
	if s != nil && s.waiting == maxEach {
		return nil, ErrTooMany
	}
	if s == nil {
		s = &state{version: seen.Version, moved: make(chan struct{})}
		b.lines[at] = s
	}
	s.waiting++
	b.waiting++
	return s, nil
}

func (b *Bell) leave(seen grants.Token, s *state) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting--
	if s.waiting--; s.waiting == 0 {
		delete(b.lines, line{seen.Region, seen.Org})
	}
}

// ask looks for commits of other processes, for all who wait.
func (b *Bell) ask(ctx context.Context) error {
	b.mu.Lock()
	if time.Since(b.asked) < poll/2 { // another did a moment ago
		b.mu.Unlock()
		return nil
	}
	b.asked = time.Now()
	var of []grants.Token
	for at, s := range b.lines {
		of = append(of, grants.Token{Region: at.home, Org: at.org, Version: s.version})
	}
	b.mu.Unlock()
	heads, err := b.heads(ctx, of)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.asked = time.Time{} // whoever is next tries again
		return err
	}
	for _, head := range heads {
		b.ring(head)
	}
	return nil
}
