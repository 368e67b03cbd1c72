package locksim

import (
	"context"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/proto"
)

// Result is what the lock did with what was presented.
type Result struct {
	// Granted: the door was unlocked.
	Granted bool
	// Reason is a number of cardea.permissions.v1.DecisionReason; 0 when nobody answered in time.
	Reason uint32
	// UnlockFor is how long the door was unlocked.
	UnlockFor time.Duration
	Feedback  lockwirev1.Feedback
	// Answered: a gateway decided, in time.
	Answered bool
	// Offline: the lock decided alone, from its bundle.
	Offline bool
	// Took is from the request to the answer.
	Took time.Duration
	// Epoch and Sequence name the event.
	Epoch, Sequence uint64
	// TraceID is the swipe's trace; not valid without a Tracer.
	TraceID trace.TraceID
}

// reasonLockdown is cardea.permissions.v1.DecisionReason LOCKDOWN.
const reasonLockdown = 9

// Presented is what a person does at the lock: a card, a key, or neither and only digits, which are an entry code.
type Presented struct {
	Card      *lockwirev1.Card
	Direction lockwirev1.Direction
	// PIN is the digits that were typed; empty: none.
	PIN string
	// Key is asked by the lock, which then fills Card and Proof; nil: there is none.
	Key Signer
	// Proof is what a key answered.
	Proof *lockwirev1.KeyProof
}

// Present presents a card at reader 0, going in.
func (l *Lock) Present(ctx context.Context, card *lockwirev1.Card) Result {
	return l.PresentAs(ctx, Presented{Card: card, Direction: lockwirev1.Direction_DIRECTION_IN})
}

// PresentCode types an entry code at reader 0, going in.
func (l *Lock) PresentCode(ctx context.Context, digits string) Result {
	return l.PresentAs(ctx, Presented{PIN: digits, Direction: lockwirev1.Direction_DIRECTION_IN})
}

// PresentKey holds a phone or a card with a key to reader 0, going in.
func (l *Lock) PresentKey(ctx context.Context, key Signer) Result {
	return l.PresentAs(ctx, Presented{Key: key, Direction: lockwirev1.Direction_DIRECTION_IN})
}

// PresentAs presents something at reader 0: the lock asks the key if there is one, asks the gateway, acts, and writes the event.
func (l *Lock) PresentAs(ctx context.Context, presented Presented) Result {
	presented = l.challenge(presented)
	ctx, span := l.tracer.Start(ctx, "lock.swipe", trace.WithSpanKind(trace.SpanKindClient))
	defer span.End()
	traceparent := traceparent(ctx)
	l.mu.Lock()
	epoch, sequence := l.flash.BootEpoch, l.ring().reserve()
	l.mu.Unlock()
	began := time.Now()
	decision := l.ask(ctx, sequence, presented, traceparent)
	result := Result{Epoch: epoch, Sequence: sequence, Took: time.Since(began), TraceID: span.SpanContext().TraceID()}
	event := &lockwirev1.Event{
		Kind: lockwirev1.EventKind_EVENT_KIND_ACCESS, Outcome: lockwirev1.Outcome_OUTCOME_DENIED, Traceparent: traceparent,
	}
	if decision != nil {
		result.Answered, result.Reason, result.Feedback = true, decision.GetReason(), decision.GetFeedback()
		event.Reason, event.Receipt = decision.GetReason(), decision.GetReceipt()
		if decision.GetOutcome() == lockwirev1.Outcome_OUTCOME_GRANTED {
			event.Outcome = lockwirev1.Outcome_OUTCOME_GRANTED
			result.Granted, result.UnlockFor = true, time.Duration(decision.GetUnlockMs())*time.Millisecond
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if epoch != l.flash.BootEpoch { // the power went meanwhile: nothing opened, and there is no event
		result.Granted = false
		return result
	}
	if decision == nil {
		l.decideAlone(presented, &result, event)
	}
	if result.Granted && l.flash.Lockdown != "" { // the gateway's word that it ended may still be on its way
		result.Granted, result.Reason = false, reasonLockdown
		event.Outcome, event.Reason = lockwirev1.Outcome_OUTCOME_DENIED, reasonLockdown
	}
	l.write(sequence, l.stamp(event))
	if result.Granted {
		l.unlock(result.UnlockFor)
	}
	return result
}

// ask returns the gateway's decision; nil when none came while it counts.
func (l *Lock) ask(ctx context.Context, sequence uint64, p Presented, traceparent string) *lockwirev1.AccessDecision {
	sent := time.Now()
	deadline, cancel := context.WithTimeout(ctx, wire.MaxValidFor*time.Millisecond)
	defer cancel()
	request := &lockwirev1.AccessRequest{
		EventSequence: sequence, Card: p.Card, Direction: p.Direction, Pin: p.PIN, Proof: p.Proof, Traceparent: traceparent,
	}
	k, answer := l.request(deadline, request)
	if answer == nil {
		return nil
	}
	select {
	case d := <-answer:
		if d == nil || time.Since(sent) > time.Duration(d.GetValidForMs())*time.Millisecond {
			return nil
		}
		return d
	case <-deadline.Done():
		if ctx.Err() == nil {
			k.suspect()
		}
		return nil
	}
}

// request sends the request as soon as there is credit; nil when there is no session, or none with credit in time.
func (l *Lock) request(ctx context.Context, request *lockwirev1.AccessRequest) (*link, chan *lockwirev1.AccessDecision) {
	for {
		l.mu.Lock()
		k, changed := l.link, l.watch()
		leaving := k != nil && k.leaving != nil
		l.mu.Unlock()
		if k == nil || leaving {
			return nil, nil
		}
		var answer chan *lockwirev1.AccessDecision
		_, err := k.writeNext(func() proto.Message {
			if l.link != k || len(k.answers) >= int(k.welcome.GetAccessCredit()) {
				return nil
			}
			k.requestID++
			request.RequestId = k.requestID
			request.LockTimeMs, request.ClockQuality = l.clock()
			answer = make(chan *lockwirev1.AccessDecision, 1)
			k.answers[k.requestID] = answer
			return request
		})
		if err != nil || answer != nil {
			return k, answer
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, nil
		}
	}
}

func traceparent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier["traceparent"]
}
