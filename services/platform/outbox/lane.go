package outbox

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

const (
	pageSize     = 256 // rows read at once: with the largest messages 192 MiB, in practice some 100 KiB
	inParallel   = 16  // organizations whose rows are sent at the same time in one lane
	firstBackoff = 50 * time.Millisecond
)

// lane sends the rows of one path, by one goroutine that spreads a page over several.
type lane struct {
	path
	relay  *Relay
	signal chan struct{}
	// until is when the lease ends, by this process's clock; the other side of it is the database's.
	until atomic.Pointer[time.Time]
	// failed belongs to run: the organizations that wait after a failure.
	failed map[string]failure
}

type failure struct {
	times int
	until time.Time
}

func newLane(p path, r *Relay) *lane {
	return &lane{path: p, relay: r, signal: make(chan struct{}, 1), failed: map[string]failure{}}
}

func (l *lane) wake() {
	select {
	case l.signal <- struct{}{}:
	default: // it is awake, or will be
	}
}

// hold says that the lease is ours until then. A lane that just got it looks for what others left.
func (l *lane) hold(until time.Time) {
	before := l.held()
	l.until.Store(&until)
	if !before {
		l.wake()
	}
}

func (l *lane) held() bool {
	until := l.until.Load()
	return until != nil && time.Now().Before(*until)
}

func (l *lane) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.signal:
		}
		for l.held() && ctx.Err() == nil {
			more, err := l.pass(ctx)
			l.relay.log(ctx, l.path.String(), err)
			if err != nil || !more {
				break
			}
		}
	}
}

// pass goes once through all organizations that have rows and do not wait after a failure, and takes at most a page of
// each. more is true when some page was cut short.
func (l *lane) pass(ctx context.Context) (more bool, err error) {
	for after := ""; ; {
		page, err := l.fetch(ctx, after, l.waiting(time.Now()))
		if err != nil || len(page) == 0 {
			return more, err
		}
		queues := byOrg(page)
		sent := l.send(ctx, queues)
		if err := l.delete(ctx, sent); err != nil {
			return false, err // sent again later, without effect
		}
		if ctx.Err() != nil || !l.held() || len(page) < pageSize {
			return more, nil
		}
		after = page[len(page)-1].Org
		last := queues[len(queues)-1]
		more = more || l.failed[last.org].times == 0
	}
}

// queue is the rows of one organization, in order.
type queue struct {
	org  string
	rows []waitingRow
}

func byOrg(page []waitingRow) []queue {
	var queues []queue
	for _, row := range page {
		if n := len(queues); n == 0 || queues[n-1].org != row.Org {
			queues = append(queues, queue{org: row.Org})
		}
		last := &queues[len(queues)-1]
		last.rows = append(last.rows, row)
	}
	return queues
}

// send sends each queue up to its first failure and returns the last row sent of each queue that got any out.
func (l *lane) send(ctx context.Context, queues []queue) (sent []waitingRow) {
	results := make([]result, len(queues))
	slots := make(chan struct{}, inParallel)
	var all sync.WaitGroup
	for i, q := range queues {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			results[i] = l.sendQueue(ctx, q)
		})
	}
	all.Wait()
	for i, q := range queues {
		if n := results[i].sent; n > 0 {
			sent = append(sent, q.rows[n-1])
		}
		l.note(ctx, q, results[i])
	}
	return sent
}

type result struct {
	sent int
	err  error
}

func (l *lane) sendQueue(ctx context.Context, q queue) (r result) {
	for _, row := range q.rows {
		if ctx.Err() != nil || !l.held() {
			return r
		}
		if r.err = l.sendRow(ctx, row); r.err != nil {
			return r
		}
		r.sent++
	}
	return r
}

// note lets an organization whose sending failed wait, each time longer, and logs the first failure and each tenth.
func (l *lane) note(ctx context.Context, q queue, r result) {
	if r.err == nil || ctx.Err() != nil {
		if r.err == nil {
			delete(l.failed, q.org)
		}
		return
	}
	was := l.failed[q.org]
	if r.sent > 0 {
		was.times = 0
	}
	pause := min(firstBackoff<<min(was.times, 10), l.relay.cfg.MaxBackoff)
	l.failed[q.org] = failure{times: was.times + 1, until: time.Now().Add(pause/2 + rand.N(pause/2+1))}
	if was.times%10 == 0 {
		row := q.rows[r.sent]
		l.relay.cfg.Logger.WarnContext(ctx, "the outbox relay could not send, trying again", "home", l.home, "target", l.target,
			"org", q.org, "version", row.OrgVersion, "what", row.What, "times", was.times+1, "error", r.err.Error())
	}
}

// waiting returns the organizations that wait, and forgets none: the next success does.
func (l *lane) waiting(now time.Time) []string {
	orgs := []string{}
	for org, f := range l.failed {
		if now.Before(f.until) {
			orgs = append(orgs, org)
		}
	}
	return orgs
}
