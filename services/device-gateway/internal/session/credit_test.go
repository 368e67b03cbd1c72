package session_test

import (
	"context"
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/journal"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/session"
)

// stuck is a journal whose disk does not answer until it is told to.
type stuck struct {
	session.Journal
	free  chan struct{}
	began chan struct{} // nil: nobody wants to know
}

func (s stuck) Append(ctx context.Context, entries ...journal.Entry) error {
	select {
	case s.began <- struct{}{}:
	default:
	}
	select {
	case <-s.free:
		return s.Journal.Append(ctx, entries...)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestMoreBatchesThanTheCreditAreOverTheLimit(t *testing.T) {
	disk := make(chan struct{})
	p := newPlace(t, func(c *session.Config) { c.Journal = stuck{Journal: c.Journal, free: disk} })
	r := p.dial()
	credit := uint64(p.open(r).GetEventCredit())
	for id := uint64(1); id <= credit; id++ {
		p.must(r.w.Write(batch(id, id, 1)))
	}
	p.must(r.w.Write(&lockwirev1.Ping{Nonce: 1}))
	if m, err := r.r.Next(); err != nil || m.(*lockwirev1.Pong).GetNonce() != 1 {
		t.Fatalf("inside the credit: %v, %v", m, err)
	}
	p.must(r.w.Write(batch(credit+1, credit+1, 1)))
	if e := p.expectError(r, lockwirev1.ErrorCode_ERROR_CODE_OVER_LIMIT); e.GetRequestId() != credit+1 {
		t.Fatalf("%v", e)
	}
}

func TestAnAnswerGivesTheCreditBack(t *testing.T) {
	disk := make(chan struct{})
	p := newPlace(t, func(c *session.Config) { c.Journal = stuck{Journal: c.Journal, free: disk} })
	r := p.dial()
	credit := uint64(p.open(r).GetEventCredit())
	for id := uint64(1); id <= credit; id++ {
		p.must(r.w.Write(batch(id, id, 1)))
	}
	close(disk)
	if ack, failed := p.answer(r, credit); failed != nil || ack.GetReceivedUpTo() != credit {
		t.Fatalf("%v %v", ack, failed)
	}
	p.must(r.w.Write(batch(credit+1, credit+1, 1)))
	if ack, failed := p.answer(r, credit+1); failed != nil || ack.GetReceivedUpTo() != credit+1 {
		t.Fatalf("%v %v", ack, failed)
	}
}

// The gateway decides one request after the other, so a lock that sends more than its credit at once waits, and each has its answer.
func TestEachAccessRequestHasOneAnswerAlsoOverTheCredit(t *testing.T) {
	p := newPlace(t)
	r := p.dial()
	count := uint64(4 * p.open(r).GetAccessCredit())
	for id := uint64(1); id <= count; id++ {
		p.must(r.w.Write(&lockwirev1.AccessRequest{RequestId: id, EventSequence: id, Card: badge}))
	}
	for id := uint64(1); id <= count; id++ {
		if m, err := r.r.Next(); err != nil || m.(*lockwirev1.AccessDecision).GetRequestId() != id {
			t.Fatalf("%v, %v", m, err)
		}
	}
}

func TestALockToldToLeaveGetsTheAnswersThatAreUnderWay(t *testing.T) {
	disk, began := make(chan struct{}), make(chan struct{}, 1)
	p := newPlace(t, func(c *session.Config) { c.Journal = stuck{Journal: c.Journal, free: disk, began: began} })
	l := p.openLock()
	<-began
	stopped := make(chan struct{})
	go func() { defer close(stopped); p.hub.Stop(p.soon()) }()
	select { // the boot is under way, so the lock stays as long as it may
	case <-stopped:
		t.Fatal("the lock left with a batch under way")
	case <-time.After(200 * time.Millisecond):
	}
	close(disk)
	p.must(l.WaitClosed(p.soon()))
	<-stopped
	for deadline := time.Now().Add(10 * time.Second); len(p.broker.once(t)) != 1; time.Sleep(time.Millisecond) { // the journal delivers when it can
		if time.Now().After(deadline) {
			t.Fatalf("%d events", len(p.broker.once(t)))
		}
	}
}
