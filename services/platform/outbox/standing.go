package outbox

import (
	"context"
	"math/rand/v2"
	"time"
)

const firstBackoff = 50 * time.Millisecond

// standing is how an organization stands with a lane. One that is neither busy nor failing has none.
type standing struct {
	busy     bool
	failures int       // in a row
	until    time.Time // not before, after a failure
}

// unavailable returns the organizations of which no rows are to be read now.
func (l *lane) unavailable(now time.Time) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	orgs := []string{}
	for org, s := range l.orgs {
		if s.busy || now.Before(s.until) {
			orgs = append(orgs, org)
		}
	}
	return orgs
}

func (l *lane) take(queues []queue) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, q := range queues {
		s := l.orgs[q.org]
		s.busy = true
		l.orgs[q.org] = s
	}
}

func (l *lane) release(queues []queue) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, q := range queues {
		delete(l.orgs, q.org)
	}
}

// note frees organizations and lets those whose sending failed wait, each time longer. It wakes the lane when rows may
// have come meanwhile.
func (l *lane) note(ctx context.Context, done []ack) {
	again := false
	l.mu.Lock()
	for _, a := range done {
		if a.err == nil || ctx.Err() != nil {
			delete(l.orgs, a.org)
			again = again || a.more || a.wakes != l.wakes.Load() || a.sent < len(a.rows)
			continue
		}
		s := l.orgs[a.org]
		if a.sent > 0 {
			s.failures = 0
		}
		pause := min(firstBackoff<<min(s.failures, 10), l.relay.cfg.MaxBackoff)
		l.orgs[a.org] = standing{failures: s.failures + 1, until: time.Now().Add(pause/2 + rand.N(pause/2+1))}
		l.warn(ctx, a, s.failures)
	}
	l.mu.Unlock()
	if again {
		l.wake()
	}
}

// warn logs the first failure and each twentieth.
func (l *lane) warn(ctx context.Context, a ack, before int) {
	if before%20 != 0 {
		return
	}
	row := a.rows[a.sent]
	l.relay.cfg.Logger.WarnContext(ctx, "the outbox relay could not send, trying again", "home", l.home, "target", l.target,
		"org", a.org, "version", row.OrgVersion, "what", row.What, "tries", before+1, "error", a.err.Error())
}
