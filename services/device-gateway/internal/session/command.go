package session

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
	"google.golang.org/protobuf/proto"
)

// answerSlack is how long after a command's end its answer is still waited for: a lock may answer EXPIRED a little late.
const answerSlack = time.Second

// Capabilities that a lock names in Hello, one for each action that it knows.
const (
	capabilityUnlock    = "command.unlock"
	capabilityLock      = "command.lock"
	capabilityHoldOpen  = "command.hold_open"
	capabilityLockdown  = "command.lockdown"
	capabilitySetTime   = "command.set_time"
	capabilityReboot    = "command.reboot"
	capabilityConfigure = "command.configure"
	capabilityFirmware  = "command.firmware"
	capabilityRenew     = "certificate"
)

// Order is one command for one lock.
type Order struct {
	CommandID string
	Device    string
	// Command has the action; all its other fields are filled when it is sent.
	Command *lockwirev1.Command
	// NotAfter is when the lock must not act any more.
	NotAfter time.Time
}

// CapabilityOf is what a lock must name in Hello to be sent an action; empty for a command without one.
func CapabilityOf(c *lockwirev1.Command) string {
	switch c.GetAction().(type) {
	case *lockwirev1.Command_Unlock:
		return capabilityUnlock
	case *lockwirev1.Command_Lock:
		return capabilityLock
	case *lockwirev1.Command_HoldOpen:
		return capabilityHoldOpen
	case *lockwirev1.Command_Lockdown:
		return capabilityLockdown
	case *lockwirev1.Command_SetTime:
		return capabilitySetTime
	case *lockwirev1.Command_Reboot:
		return capabilityReboot
	case *lockwirev1.Command_Configure:
		return capabilityConfigure
	case *lockwirev1.Command_Firmware:
		return capabilityFirmware
	case *lockwirev1.Command_RenewCertificate:
		return capabilityRenew
	default:
		return ""
	}
}

// Command sends an order to a device that is connected here and waits for its answer, also over a break after which the lock
// goes on with its session. Errors: ErrOffline, ErrBusy, ErrNoAnswer, ctx's. An order whose time is over is not sent: the
// answer is EXPIRED. Nor is one to a lock that does not name the capability: the answer is UNSUPPORTED.
func (h *Hub) Command(ctx context.Context, o Order) (*lockwirev1.CommandResult, error) {
	now := h.cfg.Now()
	if !now.Before(o.NotAfter) {
		return &lockwirev1.CommandResult{CommandId: o.CommandID, Outcome: lockwirev1.CommandOutcome_COMMAND_OUTCOME_EXPIRED}, nil
	}
	s := h.find(o.Device)
	if s == nil {
		return nil, ErrOffline
	}
	if !s.can(CapabilityOf(o.Command)) {
		return &lockwirev1.CommandResult{CommandId: o.CommandID, Outcome: lockwirev1.CommandOutcome_COMMAND_OUTCOME_UNSUPPORTED}, nil
	}
	ctx, span := h.tracer.Start(ctx, "gateway.command")
	defer span.End()
	answer := make(chan *lockwirev1.CommandResult, 1)
	forget, err := s.order(ctx, o, func(m *lockwirev1.CommandResult) { answer <- m })
	if err != nil {
		return nil, err
	}
	defer forget()
	timer := time.NewTimer(o.NotAfter.Sub(now) + answerSlack)
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

// can says whether the lock named a capability.
func (s *session) can(capability string) bool {
	return capability != "" && slices.Contains(s.capabilities, capability)
}

// order sends an order. answered is called at most once, and not after forget. Errors: ErrOffline, ErrBusy.
func (s *session) order(ctx context.Context, o Order, answered func(*lockwirev1.CommandResult)) (forget func(), err error) {
	command := proto.CloneOf(o.Command)
	command.CommandId, command.NotAfterMs, command.Traceparent = o.CommandID, uint64(o.NotAfter.UnixMilli()), telemetry.Traceparent(ctx)
	mine, err := s.expect(&underway{command: command, answered: answered})
	if err != nil {
		return nil, err
	}
	forget = func() { mine.forget(o.CommandID) }
	if err := s.sendCommand(command); errors.Is(err, net.ErrClosed) {
		forget()
		return nil, ErrOffline // nothing was written
	}
	// After any other error the lock may have read it: what became of it is known when it is back, if ever.
	return forget, nil
}

// sendCommand sends a copy with the time of now: the one that is kept may be sent again.
func (s *session) sendCommand(c *lockwirev1.Command) error {
	c = proto.CloneOf(c)
	c.ServerTimeMs = s.nowMS()
	return s.send(c)
}

// expect notes a command that is about to be sent.
func (s *session) expect(u *underway) (*orders, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil, ErrOffline
	}
	if s.orders == nil {
		s.orders = &orders{byID: map[string]*underway{}}
	}
	return s.orders, s.orders.add(u, s.hub.cfg.Now())
}

// commandResult hands an answer to who waits; one that nobody waits for is dropped, the event tells the ledger.
func (s *session) commandResult(m *lockwirev1.CommandResult) {
	s.mu.Lock()
	mine := s.orders
	s.mu.Unlock()
	if mine != nil {
		mine.answer(m)
	}
}
