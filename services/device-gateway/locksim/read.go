package locksim

import (
	"fmt"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

// read handles what the gateway sends until the connection ends.
func (k *link) read() error {
	k.reader.OnFrame(func() error { k.heard.Add(1); return nil })
	for {
		k.conn.SetReadDeadline(time.Now().Add(2 * k.heartbeat))
		m, err := k.reader.Next()
		if err != nil {
			return err
		}
		if err := k.handle(m); err != nil {
			return err
		}
	}
}

func (k *link) handle(m proto.Message) error {
	switch m := m.(type) {
	case *lockwirev1.AccessDecision:
		return k.decided(m)
	case *lockwirev1.EventAck:
		k.acknowledged(m)
	case *lockwirev1.Command:
		return k.command(m)
	case *lockwirev1.Certificate:
		return k.certificate(m)
	case *lockwirev1.Bundle:
		return k.bundle(m)
	case *lockwirev1.Revocations:
		return k.revocations(m)
	case *lockwirev1.Ping:
		return k.write(&lockwirev1.Pong{Nonce: m.GetNonce()})
	case *lockwirev1.Pong:
		// Its time is not used: a Welcome set the clock.
	case *lockwirev1.GoAway:
		return &goneAway{endpoints: endpoints(m.GetEndpoints())}
	case *lockwirev1.Error:
		return k.said(m)
	default:
		return fmt.Errorf("the gateway sent %T", m)
	}
	return nil
}

func (k *link) decided(m *lockwirev1.AccessDecision) error {
	k.lock.mu.Lock()
	defer k.lock.mu.Unlock()
	if answer := k.answers[m.GetRequestId()]; answer != nil {
		answer <- m
		delete(k.answers, m.GetRequestId())
		k.lock.broadcast()
	}
	return k.switchIfIdle()
}

func (k *link) acknowledged(m *lockwirev1.EventAck) {
	k.lock.mu.Lock()
	defer k.lock.mu.Unlock()
	delete(k.batches, m.GetRequestId())
	k.received[m.GetBootEpoch()] = max(k.received[m.GetBootEpoch()], m.GetReceivedUpTo())
	k.lock.cfg.Observer.EventsReceived(m.GetBootEpoch(), m.GetReceivedUpTo())
	k.lock.free(m.GetBootEpoch(), m.GetFromSequence(), m.GetDurableUpTo())
}

// said handles Error: about a request the session goes on, about the connection it ends.
func (k *link) said(m *lockwirev1.Error) error {
	if k.renewalRefused(m) {
		return nil
	}
	if m.GetRequestId() == 0 || m.GetCode() != lockwirev1.ErrorCode_ERROR_CODE_UNAVAILABLE {
		return wireError(m)
	}
	k.lock.mu.Lock()
	defer k.lock.mu.Unlock()
	defer k.lock.broadcast()
	if answer := k.answers[m.GetRequestId()]; answer != nil {
		answer <- nil
		delete(k.answers, m.GetRequestId())
		return k.switchIfIdle()
	}
	if batch := k.batches[m.GetRequestId()]; batch != nil {
		delete(k.batches, m.GetRequestId())
		k.sent[batch.GetBootEpoch()] = min(k.sent[batch.GetBootEpoch()], batch.GetFirstSequence()-1)
		k.holdBack(max(time.Duration(m.GetRetryAfterMs())*time.Millisecond, 100*time.Millisecond))
	}
	return nil
}
