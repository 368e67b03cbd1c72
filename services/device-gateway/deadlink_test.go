package gateway_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
)

// The line to the first gateway takes everything and brings nothing, without a reset: the lock notices at the first swipe, and
// the second endpoint serves it in less than 10 s from that.
func TestALockLeavesADeadLine(t *testing.T) {
	p := newPlace(t)
	r := p.start("")
	first := newCable(t, r.locks)
	store := r.enroll()
	l := p.boot(store, func(c *locksim.Config) { c.Endpoints = []string{first.address, r.locks} })
	p.must(l.WaitOpen(p.soon()))
	if got := l.Present(p.soon(), badge); !got.Granted {
		t.Fatalf("before: %+v", got)
	}
	first.freeze()
	swiped := time.Now()
	if got := l.Present(p.soon(), badge); got.Answered {
		t.Fatalf("over a dead line: %+v", got)
	}
	p.eventually("the second endpoint serves the lock", func() bool { return l.Present(p.soon(), badge).Granted })
	took := time.Since(swiped)
	t.Logf("served after %s", took)
	if took > 10*time.Second {
		t.Fatalf("it took %s", took)
	}
}

// A gateway that is slow with one answer and answers Ping is not left.
func TestALockDoesNotLeaveASlowGateway(t *testing.T) {
	p := newPlace(t)
	r := p.start("")
	between := newCable(t, r.locks)
	store := r.enroll()
	l := p.boot(store, func(c *locksim.Config) { c.Endpoints = []string{between.address} })
	p.must(l.WaitOpen(p.soon()))
	between.hold(2500 * time.Millisecond)
	if got := l.Present(p.soon(), badge); got.Answered {
		t.Fatalf("over a slow line: %+v", got)
	}
	p.eventually("the line brings answers in time", func() bool { return l.Present(p.soon(), badge).Granted })
	if err := l.LastError(); err != nil {
		t.Fatalf("the lock left: %v", err)
	}
}

// deadLine is a TCP proxy whose way back can be muted, or that can be frozen both ways: it accepts connections and nothing comes out of
// them. Connections that were muted stay so.
type deadLine struct {
	address string
	mu      sync.Mutex
	to      string
	muted   bool
	frozen  bool
	until   time.Time // the way back waits
}

func newCable(t *testing.T, to string) *deadLine {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &deadLine{address: l.Addr().String(), to: to}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go c.carry(ctx, in)
		}
	}()
	return c
}

func (c *deadLine) carry(ctx context.Context, in net.Conn) {
	c.mu.Lock()
	to := c.to
	c.mu.Unlock()
	out, err := net.Dial("tcp", to)
	if err != nil {
		in.Close()
		return
	}
	defer context.AfterFunc(ctx, func() { in.Close(); out.Close() })()
	go func() { io.Copy(&quiet{deadLine: c, to: out, forth: true}, in); out.Close() }()
	io.Copy(&quiet{deadLine: c, to: in}, out)
	in.Close()
}

// quiet drops what comes once the deadLine was muted.
type quiet struct {
	deadLine *deadLine
	to       io.Writer
	forth    bool // towards the gateway: only freezing stops it
	muted    bool
}

func (q *quiet) Write(b []byte) (int, error) {
	q.deadLine.mu.Lock()
	q.muted = q.muted || q.deadLine.frozen || q.deadLine.muted && !q.forth
	wait := time.Until(q.deadLine.until)
	q.deadLine.mu.Unlock()
	if wait > 0 && !q.forth {
		time.Sleep(wait) // the line's, not the test's
	}
	if q.muted {
		return len(b), nil
	}
	return q.to.Write(b)
}

func (c *deadLine) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

func (c *deadLine) mute()                { c.set(func() { c.muted = true }) }
func (c *deadLine) hold(d time.Duration) { c.set(func() { c.until = time.Now().Add(d) }) }
func (c *deadLine) freeze()              { c.set(func() { c.frozen = true }) }
func (c *deadLine) mend()                { c.set(func() { c.muted = false }) }
func (c *deadLine) point(to string)      { c.set(func() { c.to = to }) }
