package session

import (
	"context"
	"slices"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
)

// answerSlack is how long after a command's end its answer is still waited for: a lock may answer EXPIRED a little late.
const answerSlack = time.Second

// capabilityUnlock is what a lock names in Hello when it knows the action.
const capabilityUnlock = "command.unlock"

// Unlock is a timed unlock for one lock.
type Unlock struct {
	CommandID string
	Device    string
	For       time.Duration
	NotAfter  time.Time
}

// Command sends an unlock to a device that is connected here and waits for its answer. Errors: ErrOffline, ErrNoAnswer,
// ctx's. A command whose time is over is not sent: the answer is EXPIRED. Nor is one to a lock that does not name the
// capability: the answer is UNSUPPORTED.
func (h *Hub) Command(ctx context.Context, u Unlock) (*lockwirev1.CommandResult, error) {
	now := h.cfg.Now()
	if !now.Before(u.NotAfter) {
		return &lockwirev1.CommandResult{CommandId: u.CommandID, Outcome: lockwirev1.CommandOutcome_COMMAND_OUTCOME_EXPIRED}, nil
	}
	s := h.find(u.Device)
	if s == nil {
		return nil, ErrOffline
	}
	if !slices.Contains(s.capabilities, capabilityUnlock) {
		return &lockwirev1.CommandResult{CommandId: u.CommandID, Outcome: lockwirev1.CommandOutcome_COMMAND_OUTCOME_UNSUPPORTED}, nil
	}
	ctx, span := h.tracer.Start(ctx, "gateway.command")
	defer span.End()
	answer, forget := s.expect(u.CommandID)
	defer forget()
	err := s.send(&lockwirev1.Command{
		CommandId: u.CommandID, NotAfterMs: uint64(u.NotAfter.UnixMilli()), ServerTimeMs: uint64(now.UnixMilli()),
		Action: &lockwirev1.Command_Unlock{Unlock: &lockwirev1.Unlock{UnlockMs: unlockMS(u.For)}}, Traceparent: telemetry.Traceparent(ctx),
	})
	if err != nil {
		return nil, ErrOffline
	}
	timer := time.NewTimer(u.NotAfter.Sub(now) + answerSlack)
	defer timer.Stop()
	select {
	case result := <-answer:
		return result, nil
	case <-timer.C:
		return nil, ErrNoAnswer
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (s *session) expect(id string) (<-chan *lockwirev1.CommandResult, func()) {
	answer := make(chan *lockwirev1.CommandResult, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.commands == nil {
		s.commands = map[string]chan *lockwirev1.CommandResult{}
	}
	s.commands[id] = answer
	return answer, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.commands, id)
	}
}

// commandResult hands an answer to who waits; one that nobody waits for is dropped, the event tells the ledger.
func (s *session) commandResult(m *lockwirev1.CommandResult) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if answer := s.commands[m.GetCommandId()]; answer != nil {
		select {
		case answer <- m:
		default: // answered twice
		}
	}
}
