package session

import (
	"context"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/lockevent"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
	"google.golang.org/protobuf/proto"
)

// defaultUnlock is for a door that does not say how long.
const defaultUnlock = 5 * time.Second

// access decides and answers at once.
func (s *session) access(ctx context.Context, m *lockwirev1.AccessRequest) error {
	if err := s.request(m.GetRequestId()); err != nil {
		return err
	}
	ctx, span := s.hub.tracer.Start(telemetry.WithTraceparent(ctx, m.GetTraceparent()), "gateway.decide", s.hub.serverSpan...)
	defer span.End()
	now := s.hub.cfg.Now()
	v := s.hub.cfg.Copy.Decide(ctx, s.deviceID, m, now)
	if span.IsRecording() { // what nobody takes is not described
		span.SetAttributes(telemetry.OrgKey.String(s.device.Org), telemetry.DoorKey.String(s.device.Door), telemetry.DeviceKey.String(s.deviceID),
			telemetry.OutcomeKey.String(v.Decision.GetOutcome().String()), telemetry.ReasonKey.String(v.Decision.GetReason().String()))
	}
	answer := &lockwirev1.AccessDecision{
		RequestId: m.GetRequestId(), Outcome: lockwirev1.Outcome_OUTCOME_DENIED, Reason: uint32(v.Decision.GetReason()),
		Feedback: feedback(m, v.Decision), ValidForMs: wire.MaxValidFor, Receipt: s.receipt(ctx, m, v, now),
	}
	if v.Granted() {
		answer.Outcome, answer.UnlockMs = lockwirev1.Outcome_OUTCOME_GRANTED, UnlockMS(v.UnlockFor)
	}
	if err := s.send(answer); err != nil {
		return err
	}
	if v.Granted() {
		s.passed()
	}
	s.noteClock(ctx, m.GetLockTimeMs(), m.GetClockQuality())
	return nil
}

// UnlockMS is how long a lock is told to unlock, in milliseconds; a door that does not say gets the default.
func UnlockMS(d time.Duration) uint32 {
	if d == 0 {
		d = defaultUnlock
	}
	return uint32(min(max(d.Milliseconds(), wire.MinUnlock), wire.MaxUnlock))
}

func feedback(m *lockwirev1.AccessRequest, d *permissionsv1.Decision) lockwirev1.Feedback {
	if d.GetOutcome() == permissionsv1.Outcome_OUTCOME_GRANTED {
		return lockwirev1.Feedback_FEEDBACK_GRANTED
	}
	switch d.GetReason() {
	case permissionsv1.DecisionReason_DECISION_REASON_OUTSIDE_SCHEDULE, permissionsv1.DecisionReason_DECISION_REASON_NOT_YET_VALID,
		permissionsv1.DecisionReason_DECISION_REASON_FIRST_PERSON_NEEDED:
		return lockwirev1.Feedback_FEEDBACK_WRONG_TIME
	case permissionsv1.DecisionReason_DECISION_REASON_SECOND_FACTOR_NEEDED:
		if m.GetCard() == nil {
			return lockwirev1.Feedback_FEEDBACK_DENIED // more digits are another entry code, not a second factor
		}
		return lockwirev1.Feedback_FEEDBACK_TYPE_PIN
	case permissionsv1.DecisionReason_DECISION_REASON_SECOND_PERSON_NEEDED:
		return lockwirev1.Feedback_FEEDBACK_SECOND_PERSON
	default:
		return lockwirev1.Feedback_FEEDBACK_DENIED
	}
}

// receipt seals the decision for the event to come. Without one the event would lack who and why, so a failure is logged;
// the door does not wait for it.
func (s *session) receipt(ctx context.Context, m *lockwirev1.AccessRequest, v access.Verdict, at time.Time) []byte {
	decision, err := proto.Marshal(v.Decision)
	if err == nil {
		var receipt []byte
		receipt, err = s.hub.cfg.Maker.Seal(&gatewayv1.DecisionReceipt{
			DeviceId: s.deviceID, BootEpoch: s.bootEpoch, Sequence: m.GetEventSequence(), Decision: decision,
			PersonId: v.Person, CredentialId: v.Credential, DecidedAtUnixNano: at.UnixNano(), Traceparent: telemetry.Traceparent(ctx),
		})
		if err == nil {
			return receipt
		}
	}
	s.hub.cfg.Logger.ErrorContext(ctx, "cannot make a decision's receipt", "device", s.deviceID, "error", err)
	return nil
}

// noteClock records, once in a session, that the lock's clock is off.
func (s *session) noteClock(ctx context.Context, lockMS uint64, quality lockwirev1.ClockQuality) {
	if s.clockNoted || lockMS == 0 || quality < lockwirev1.ClockQuality_CLOCK_QUALITY_FREE_RUNNING {
		return
	}
	now := s.hub.cfg.Now()
	lockTime := time.UnixMilli(int64(min(lockMS, 1<<53)))
	if now.Sub(lockTime).Abs() <= lockevent.MaxClockDifference {
		return
	}
	s.clockNoted = true
	entry, err := s.hub.cfg.Maker.ClockDifference(s.device, s.bootEpoch, s.id, lockTime, quality, now)
	if err != nil {
		s.hub.cfg.Logger.ErrorContext(ctx, "cannot record a clock difference", "device", s.deviceID, "error", err)
		return
	}
	go func() {
		if err := s.hub.cfg.Journal.Append(ctx, entry); err != nil {
			s.hub.cfg.Logger.WarnContext(ctx, "cannot record a clock difference", "device", s.deviceID, "error", err)
		}
	}()
}
