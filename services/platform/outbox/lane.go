package outbox

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	pageSize   = 256 // rows read at once: with the largest messages 192 MiB, in practice some 100 KiB
	inParallel = 16  // organizations whose rows are sent at the same time in one lane
)

// lane sends the rows of one path. One goroutine reads pages and deals each organization's rows, in order, to a worker;
// one deletes what workers got out, many organizations at once. An organization is with one worker until its rows are
// deleted, so that its order holds and a slow one keeps nobody waiting while fewer than inParallel are slow.
type lane struct {
	path
	relay  *Relay
	signal chan struct{}
	acks   chan ack
	slots  chan struct{}
	// until is when the lease ends, by this process's clock; the other side of it is the database's.
	until atomic.Pointer[time.Time]
	// filled is the life of the target's bucket that has everything; only run touches it.
	filled string
	// look asks run to look at the bucket also when no rows wait.
	look atomic.Bool
	// wakes counts signals: rows may have come since a page was read.
	wakes atomic.Int64

	mu   sync.Mutex // guards what follows
	orgs map[string]standing
}

// queue is the rows of one organization, in order.
type queue struct {
	org   string
	rows  []waitingRow
	more  bool  // the page ended with it: there may be more rows
	wakes int64 // when the page was read
}

// ack is what a worker got done.
type ack struct {
	queue
	sent int
	err  error
}

func newLane(p path, r *Relay) *lane {
	return &lane{path: p, relay: r, signal: make(chan struct{}, 1), acks: make(chan ack, inParallel),
		slots: make(chan struct{}, inParallel), orgs: map[string]standing{}}
}

func (l *lane) wake() {
	l.wakes.Add(1)
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

// run deals rows out until ctx ends, and then waits for what is under way.
func (l *lane) run(ctx context.Context) {
	var workers, deleter sync.WaitGroup
	deleter.Go(func() { l.settle(ctx) })
	defer deleter.Wait()
	defer close(l.acks)
	defer workers.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.signal:
		}
		for l.held() && l.deal(ctx, &workers) {
		}
	}
}

// deal reads a page and gives it to workers; false: there was nothing to give, or no way to read it.
func (l *lane) deal(ctx context.Context, workers *sync.WaitGroup) bool {
	wakes := l.wakes.Load()
	page, err := l.fetch(ctx, l.unavailable(time.Now()))
	if err != nil {
		l.relay.log(ctx, l.path.String(), err)
		return false
	}
	if len(page) > 0 || l.look.Swap(false) {
		if err := l.ready(ctx); err != nil {
			l.relay.logTo(ctx, l.path.String(), err)
			return false
		}
	}
	queues := byOrg(page, wakes)
	l.take(queues)
	for i, q := range queues {
		select {
		case l.slots <- struct{}{}:
		case <-ctx.Done():
			l.release(queues[i:])
			return false
		}
		workers.Go(func() {
			done := l.sendQueue(ctx, q)
			<-l.slots
			l.acks <- done
		})
	}
	return len(queues) > 0
}

func byOrg(page []waitingRow, wakes int64) []queue {
	var queues []queue
	for _, row := range page {
		if n := len(queues); n == 0 || queues[n-1].org != row.Org {
			queues = append(queues, queue{org: row.Org, wakes: wakes})
		}
		last := &queues[len(queues)-1]
		last.rows = append(last.rows, row)
		last.more = len(page) == pageSize
	}
	return queues
}

// sendQueue sends rows up to the first failure, the loss of the lease or the end.
func (l *lane) sendQueue(ctx context.Context, q queue) ack {
	done := ack{queue: q}
	for _, row := range q.rows {
		if ctx.Err() != nil || !l.held() {
			break
		}
		if done.err = l.sendRow(ctx, row); done.err != nil {
			break
		}
		done.sent++
	}
	return done
}

// settle deletes what workers got out, as much at once as there is, and frees the organizations.
func (l *lane) settle(ctx context.Context) {
	for first := range l.acks {
		done := []ack{first}
		for len(done) < pageSize && len(l.acks) > 0 {
			done = append(done, <-l.acks)
		}
		slices.SortFunc(done, func(a, b ack) int { return cmp.Compare(a.org, b.org) }) // relays that overlap delete in one order
		if err := l.delete(ctx, done); err != nil {
			l.relay.log(ctx, l.path.String(), err) // sent again later, without effect
		}
		l.note(ctx, done)
	}
}
