package session_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/journal"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/session"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
)

// line is a connection to the gateway that can lose what one side says, and break for the lock alone: the gateway notices nothing.
type line struct {
	address string
	deaf    atomic.Bool // what the lock says is lost
	mute    atomic.Bool // what the gateway says is lost
	locks   chan net.Conn
}

func newLine(p *place) *line {
	p.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	p.must(err)
	w := &line{address: l.Addr().String(), locks: make(chan net.Conn, 16)}
	p.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			lock, err := l.Accept()
			if err != nil {
				return
			}
			gateway, err := net.Dial("tcp", p.address)
			if err != nil {
				lock.Close()
				return
			}
			p.t.Cleanup(func() { lock.Close(); gateway.Close() })
			w.locks <- lock
			go carry(gateway, lock, &w.deaf)
			go carry(lock, gateway, &w.mute)
		}
	}()
	return w
}

func carry(to io.Writer, from io.Reader, lost *atomic.Bool) {
	b := make([]byte, 1<<16)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if !lost.Load() {
			to.Write(b[:n])
		}
	}
}

// cut breaks it for the lock.
func (w *line) cut() { (<-w.locks).Close() }

func (p *place) lockOn(w *line) *locksim.Lock {
	p.t.Helper()
	l := p.lock(func(c *locksim.Config) { c.Endpoints = []string{w.address} })
	p.must(l.WaitOpen(p.soon()))
	return l
}

func TestACommandWhoseAnswerWasCutOffIsAnsweredTrulyAndDoneOnce(t *testing.T) {
	p := newPlace(t)
	w := newLine(p)
	l := p.lockOn(w)
	p.must(l.WaitDurable(p.soon()))
	w.deaf.Store(true)
	got := make(chan *lockwirev1.CommandResult, 1)
	go func() {
		result, err := p.hub.Command(p.soon(), unlock("command_euc_cut", l.DeviceID()))
		if err != nil {
			t.Error(err)
		}
		got <- result
	}()
	p.must(l.WaitDoor(p.soon(), "the unlock", func(d *lockwirev1.DoorState) bool { return d.GetBolt() == lockwirev1.Bolt_BOLT_UNLOCKED }))
	select {
	case result := <-got:
		t.Fatalf("an answer that the line lost: %v", result)
	default:
	}
	w.cut() // the lock comes back over the gateway's own address
	if result := <-got; result.GetOutcome() != lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE {
		t.Fatalf("%v", result)
	}
	if l.Opened() != 1 || !l.Resumed() {
		t.Fatalf("opened %d times, resumed: %v", l.Opened(), l.Resumed())
	}
	if n := p.hub.Sessions(); n != 1 {
		t.Fatalf("%d sessions", n)
	}
	if got := l.Present(p.soon(), badge); !got.Granted {
		t.Fatalf("%+v", got)
	}
	p.must(l.WaitDurable(p.soon()))
	if n := len(p.broker.once(t)); n != 3 {
		t.Fatalf("%d events, wanted the boot, the command and the swipe", n)
	}
}

func TestEventsOfAResumedSessionAreEachOnce(t *testing.T) {
	p := newPlace(t)
	w := newLine(p)
	l := p.lockOn(w)
	p.must(l.WaitDurable(p.soon()))
	w.mute.Store(true)            // acknowledgements are lost, the events are not
	l.Present(t.Context(), badge) // nobody answers in time
	w.cut()
	p.must(l.WaitDurable(p.soon()))
	if !l.Resumed() {
		t.Fatal("not resumed")
	}
	if n := len(p.broker.once(t)); n != 2 {
		t.Fatalf("%d events", n)
	}
}

// again opens another connection of the same device, which asks for a session.
func (p *place) again(r *raw, session []byte, epoch uint64) (*raw, *lockwirev1.Welcome) {
	p.t.Helper()
	next := p.dialAs(r.device, r.cert)
	hello := next.hello()
	hello.ResumeSession, hello.BootEpoch = session, epoch
	p.must(next.w.Write(hello))
	m, err := next.r.Next()
	p.must(err)
	return next, m.(*lockwirev1.Welcome)
}

func TestOnlyTheDevicesOwnSessionOfThisBootIsResumed(t *testing.T) {
	p := newPlace(t)
	for name, c := range map[string]struct {
		epoch   uint64
		change  func(session, others []byte) []byte
		resumed bool
	}{
		"its own":                {1, func(s, _ []byte) []byte { return s }, true},
		"none":                   {1, func(_, _ []byte) []byte { return nil }, false},
		"another device's":       {1, func(_, o []byte) []byte { return o }, false},
		"one that never was":     {1, func(_, _ []byte) []byte { return []byte("0123456789abcdef") }, false},
		"of an earlier boot":     {2, func(s, _ []byte) []byte { return s }, false},
		"a prefix of its own id": {1, func(s, _ []byte) []byte { return s[:4] }, false},
	} {
		t.Run(name, func(t *testing.T) {
			other, mine := p.dial(), p.dial()
			others, welcome := p.open(other), p.open(mine)
			mine.NetConn().Close()
			other.NetConn().Close()
			_, got := p.again(mine, c.change(welcome.GetSession(), others.GetSession()), c.epoch)
			if got.GetResumed() != c.resumed || bytes.Equal(got.GetSession(), welcome.GetSession()) != c.resumed {
				t.Fatalf("%v after %v", got, welcome)
			}
		})
	}
}

// slowDisk is a journal whose disk takes its time.
type slowDisk struct {
	session.Journal
	began, goOn chan struct{}
}

func (d slowDisk) Append(ctx context.Context, entries ...journal.Entry) error {
	done := make(chan error, 1)
	go func() {
		<-d.goOn
		done <- d.Journal.Append(context.WithoutCancel(ctx), entries...)
	}()
	d.began <- struct{}{}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestAResumedSessionCountsWhatTheDiskTookAfterTheBreak(t *testing.T) {
	disk := slowDisk{began: make(chan struct{}), goOn: make(chan struct{})}
	p := newPlace(t, func(c *session.Config) {
		disk.Journal = c.Journal
		c.Journal = disk
	})
	r := p.dial()
	welcome := p.open(r)
	p.must(r.w.Write(batch(5, 1, 30)))
	<-disk.began
	r.NetConn().Close()
	close(disk.goOn)
	go func() { <-disk.began }() // the next batch
	next, again := p.again(r, welcome.GetSession(), 1)
	m, err := next.r.Next()
	if ack, ok := m.(*lockwirev1.EventAck); err != nil || !ok || !again.GetResumed() || ack.GetReceivedUpTo() != 30 {
		t.Fatalf("%v, then %v, %v", again, m, err)
	}
	p.must(next.w.Write(batch(6, 31, 1)))
	if ack, failed := p.answer(next, 6); failed != nil || ack.GetReceivedUpTo() != 31 {
		t.Fatalf("%v %v", ack, failed)
	}
}

func TestAResumedSessionGoesOnBehindWhatAnEarlierOneBrought(t *testing.T) {
	p := newPlace(t)
	r := p.dial()
	p.open(r)
	p.must(r.w.Write(batch(1, 1, 10)))
	p.durable(r, 10)
	r.NetConn().Close()
	second, welcome := p.again(r, nil, 1)
	p.must(second.w.Write(batch(1, 5, 2))) // a resend: the lock had not heard of the end
	if ack, failed := p.answer(second, 1); failed != nil || ack.GetReceivedUpTo() != 6 {
		t.Fatalf("%v %v", ack, failed)
	}
	second.NetConn().Close()
	third, again := p.again(r, welcome.GetSession(), 1)
	if !again.GetResumed() || again.GetDurableUpTo() != 10 {
		t.Fatal(again)
	}
	p.must(third.w.Write(batch(2, 11, 1)))
	if ack, failed := p.answer(third, 2); failed != nil || ack.GetReceivedUpTo() != 11 || ack.GetFromSequence() != 5 {
		t.Fatalf("%v %v", ack, failed)
	}
}

func TestAResumedSessionGoesOnWithItsCountersAndMarks(t *testing.T) {
	p := newPlace(t)
	r := p.dial()
	welcome := p.open(r)
	p.must(r.w.Write(batch(5, 3, 4))) // sequences 3 to 6
	if ack, failed := p.answer(r, 5); failed != nil || ack.GetReceivedUpTo() != 6 {
		t.Fatalf("%v %v", ack, failed)
	}
	r.NetConn().Close()
	next, _ := p.again(r, welcome.GetSession(), 1)
	m, err := next.r.Next()
	if ack, ok := m.(*lockwirev1.EventAck); err != nil || !ok || ack.GetRequestId() != 0 || ack.GetFromSequence() != 3 || ack.GetReceivedUpTo() != 6 {
		t.Fatalf("%v, %v", m, err)
	}
	p.must(next.w.Write(batch(6, 7, 1)))
	if ack, failed := p.answer(next, 6); failed != nil || ack.GetReceivedUpTo() != 7 || ack.GetFromSequence() != 3 {
		t.Fatalf("%v %v", ack, failed)
	}
	next.NetConn().Close()
	third, _ := p.again(r, welcome.GetSession(), 1)
	p.must(third.w.Write(batch(6, 8, 1)))
	p.expectError(third, lockwirev1.ErrorCode_ERROR_CODE_MALFORMED) // request ids go on rising
	fourth, w := p.again(r, welcome.GetSession(), 1)
	if w.GetResumed() {
		t.Fatal("a session that ended with an Error goes on")
	}
	p.must(fourth.w.Write(batch(1, 8, 1)))
	if ack, failed := p.answer(fourth, 1); failed != nil || ack.GetFromSequence() != 8 {
		t.Fatalf("%v %v", ack, failed)
	}
}

func TestASessionThatTheGatewayShutIsNotResumed(t *testing.T) {
	p := newPlace(t)
	r := p.dial()
	welcome := p.open(r)
	p.again(r, nil, 1) // a newer session
	p.expectError(r, lockwirev1.ErrorCode_ERROR_CODE_UNEXPECTED)
	if _, got := p.again(r, welcome.GetSession(), 1); got.GetResumed() {
		t.Fatal("resumed")
	}
}

func TestACommandThatEndedMeanwhileIsNotSentAgain(t *testing.T) {
	p := newPlace(t)
	r := p.dial()
	p.must(r.w.Write(withUnlock(r.hello())))
	m, err := r.r.Next()
	p.must(err)
	welcome := m.(*lockwirev1.Welcome)
	order := unlock("command_euc_short", r.device)
	order.NotAfter = time.Now().Add(300 * time.Millisecond)
	ended := make(chan error, 1)
	go func() {
		_, err := p.hub.Command(p.soon(), order)
		ended <- err
	}()
	if m, err := r.r.Next(); err != nil || m.(*lockwirev1.Command).GetCommandId() != order.CommandID {
		t.Fatalf("%v, %v", m, err)
	}
	r.NetConn().Close()
	if err := <-ended; err == nil {
		t.Fatal("answered by nobody")
	}
	next, got := p.again(r, welcome.GetSession(), 1)
	if !got.GetResumed() {
		t.Fatal("not resumed")
	}
	p.must(next.w.Write(&lockwirev1.Ping{Nonce: 4}))
	if m, err := next.r.Next(); err != nil || m.(*lockwirev1.Pong).GetNonce() != 4 {
		t.Fatalf("%v, %v", m, err)
	}
}

func withUnlock(h *lockwirev1.Hello) *lockwirev1.Hello {
	h.Capabilities = []string{"command.unlock"}
	return h
}

// What a gateway ordered by itself is not sent again when its reason is gone: a door would be held open that is to be closed.
func TestAGatewaysOwnCommandDoesNotOutliveItsReason(t *testing.T) {
	p := newPlace(t)
	now := time.Now().Truncate(time.Minute)
	p.standsOpen(now.Add(-time.Hour), now.Add(time.Hour))
	p.settle()
	r := p.dial()
	hello := r.hello()
	hello.Capabilities = []string{"command.lock", "command.hold_open"}
	p.must(r.w.Write(hello))
	m, err := r.r.Next()
	p.must(err)
	welcome := m.(*lockwirev1.Welcome)
	if m, err = r.r.Next(); err != nil || m.(*lockwirev1.Command).GetHoldOpen() == nil {
		t.Fatalf("%v, %v", m, err)
	}
	r.NetConn().Close() // the line breaks before the lock has read it
	p.rules(nil)
	p.settle()
	next, got := p.again(r, welcome.GetSession(), 1)
	if !got.GetResumed() {
		t.Fatal("not resumed")
	}
	p.must(next.w.Write(&lockwirev1.Ping{Nonce: 4}))
	if m, err := next.r.Next(); err != nil || pongNonce(m) != 4 {
		t.Fatalf("%v, %v", m, err)
	}
}

func pongNonce(m any) uint64 {
	pong, _ := m.(*lockwirev1.Pong)
	return pong.GetNonce()
}

func TestCommandsComeAgainInTheOrderInWhichTheyWereGiven(t *testing.T) {
	p := newPlace(t)
	r := p.dial()
	p.must(r.w.Write(withUnlock(r.hello())))
	m, err := r.r.Next()
	p.must(err)
	welcome := m.(*lockwirev1.Welcome)
	var ids []string
	for i := range 12 {
		id := fmt.Sprintf("command_euc_%d", i)
		go p.hub.Command(p.soon(), unlock(id, r.device))
		if m, err := r.r.Next(); err != nil || m.(*lockwirev1.Command).GetCommandId() != id {
			t.Fatalf("%v, %v", m, err)
		}
		ids = append(ids, id)
	}
	r.NetConn().Close()
	next, _ := p.again(r, welcome.GetSession(), 1)
	for _, id := range ids {
		if m, err := next.r.Next(); err != nil || m.(*lockwirev1.Command).GetCommandId() != id {
			t.Fatalf("%v, %v; wanted %s", m, err, id)
		}
	}
}
