package session

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

const (
	// ownCommand begins the ids of commands that a gateway gives by itself, so that any gateway can tell them from an operator's.
	ownCommand = "auto."
	// maxHold is the longest HoldOpen; one that has renewHold left, or less, is renewed.
	maxHold   = 24 * time.Hour
	renewHold = 12 * time.Hour
	// ownNotAfter is how long a lock has for a command of the gateway's own; after answerWait a missing answer is one that went wrong.
	ownNotAfter = 30 * time.Second
	answerWait  = ownNotAfter + 5*time.Second
	// tryAgain is the pause after a lock could not do what its door's rules want: each attempt is an event in the ledger.
	tryAgain = 10 * time.Minute
	// notKnownAgain is the pause where the rules, or who came first, are not known.
	notKnownAgain = 5 * time.Second
)

// kept is what a lock does for its door's rules, as far as this gateway knows. One look at a time uses what is not guarded.
type kept struct {
	// The keeper's mu guards these.
	due   date[*session]
	busy  bool // somebody tells the lock
	ended bool

	// held: a HoldOpen of a gateway holds, until a moment; zero: it is not known which.
	held      bool
	heldUntil time.Time
	// locked: a Lockdown of a gateway holds.
	locked bool
	// heldOpenAfter is what the lock was told.
	heldOpenAfter time.Duration
	// last are the commands that went out last, and sentAt is when.
	last   []*lockwirev1.Command
	sentAt time.Time

	// unanswered are commands without answer, failed says that one was not done, awaits that somebody may have to arrive first.
	unanswered atomic.Int32
	failed     atomic.Bool
	awaits     atomic.Bool
}

// told takes over what the lock says in Hello that it does.
func (k *kept) told(h *lockwirev1.Hello) {
	k.held = strings.HasPrefix(h.GetHoldOpenCommand(), ownCommand)
	k.locked = strings.HasPrefix(h.GetLockdownCommand(), ownCommand)
}

// Run keeps the doors of connected locks as their rules say, until ctx ends.
func (h *Hub) Run(ctx context.Context) error {
	h.keeper.run(ctx)
	return nil
}

// DoorRuleChanged says that a fact about what doors do by themselves is another now. It does not block.
func (h *Hub) DoorRuleChanged(r access.DoorRule) { h.keeper.ruleChanged(r) }

// list returns the open sessions.
func (h *Hub) list() []*session {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*session, 0, len(h.sessions))
	for _, s := range h.sessions {
		if s.open.Load() {
			all = append(all, s)
		}
	}
	return all
}

// look has compared what a lock does with what its door's rules want. What the rules want may hang on shared door state, which takes its
// time where that cannot be reached: the other doors do not wait for it.
func (k *keeper) look(ctx context.Context, s *session) {
	if !k.begin(s) {
		return
	}
	select {
	case k.looks <- struct{}{}:
	case <-ctx.Done():
		k.end(s, time.Time{})
		return
	}
	go func() {
		k.end(s, k.compare(ctx, s))
	}()
}

// compare has a lock told the difference, and says when to look again. It gives back look's place.
func (k *keeper) compare(ctx context.Context, s *session) time.Time {
	now := k.hub.cfg.Now()
	want, known := k.hub.cfg.Copy.Standing(ctx, s.device, now)
	<-k.looks
	if !known {
		return now.Add(notKnownAgain)
	}
	s.kept.awaits.Store(want.AwaitsFirst)
	if commands := s.difference(want, now); len(commands) > 0 {
		select {
		case k.slots <- struct{}{}:
		case <-ctx.Done():
			return time.Time{}
		}
		s.tell(ctx, commands)
		<-k.slots
	}
	return s.nextLook(want, now)
}

// begin reserves the session for one look; one that is busy is looked at afterwards.
func (k *keeper) begin(s *session) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s.kept.ended || s.kept.busy {
		if s.kept.busy {
			k.touched[s] = true
		}
		return false
	}
	s.kept.busy = true
	return true
}

func (k *keeper) end(s *session, next time.Time) {
	k.schedule(s, next)
	k.mu.Lock()
	s.kept.busy = false
	again := k.touched[s]
	k.mu.Unlock()
	if again {
		k.rouse()
	}
}

// nextLook is when to look again: as the rules say, and when a command should have been answered.
func (s *session) nextLook(want access.Standing, now time.Time) time.Time {
	next := want.Look
	sooner := func(at time.Time) {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	if s.kept.failed.Load() {
		sooner(now.Add(tryAgain))
	}
	if s.kept.unanswered.Load() > 0 {
		sooner(s.kept.sentAt.Add(answerWait))
	}
	return next
}

// difference is what the lock has to be told.
func (s *session) difference(want access.Standing, now time.Time) []*lockwirev1.Command {
	k := &s.kept
	if k.failed.Swap(false) || k.unanswered.Load() > 0 && now.Sub(k.sentAt) >= answerWait {
		k.unanswered.Store(0)
		k.undo()
	}
	var all []*lockwirev1.Command
	if want.Nobody != k.locked {
		switch {
		case s.can(capabilityLockdown):
			all = append(all, &lockwirev1.Command{Action: &lockwirev1.Command_Lockdown{Lockdown: &lockwirev1.Lockdown{Active: want.Nobody}}})
		case want.Nobody && s.can(capabilityLock): // nobody opens online; what an operator holds open is to end, too
			all = append(all, lockNow())
		}
		if k.locked = want.Nobody; k.locked {
			k.held = false // either ends a HoldOpen
		}
	}
	if s.can(capabilityHoldOpen) {
		all = append(all, s.holdDifference(want.OpenUntil, now)...)
	}
	if s.can(capabilityConfigure) && want.HeldOpenAfter != 0 && want.HeldOpenAfter != k.heldOpenAfter {
		k.heldOpenAfter = want.HeldOpenAfter
		all = append(all, &lockwirev1.Command{Action: &lockwirev1.Command_Configure{Configure: configuration(want.HeldOpenAfter)}})
	}
	return all
}

// undo takes the last commands as not done, as far as is known.
func (k *kept) undo() {
	for _, c := range k.last {
		switch a := c.GetAction().(type) {
		case *lockwirev1.Command_HoldOpen:
			k.heldUntil = time.Time{}
		case *lockwirev1.Command_Lock:
			k.held, k.heldUntil = true, time.Time{}
		case *lockwirev1.Command_Lockdown:
			k.locked = !a.Lockdown.GetActive()
		case *lockwirev1.Command_Configure:
			k.heldOpenAfter = 0
		}
	}
	k.last = nil
}

func (s *session) holdDifference(until, now time.Time) []*lockwirev1.Command {
	k := &s.kept
	if until.IsZero() {
		over := !k.held || !k.heldUntil.IsZero() && !now.Before(k.heldUntil) // it locked by itself
		k.held = false
		if over || !s.can(capabilityLock) {
			return nil
		}
		return []*lockwirev1.Command{lockNow()}
	}
	if day := now.Add(maxHold); until.After(day) {
		until = day
	}
	if k.held && (until.Equal(k.heldUntil) || until.After(k.heldUntil) && k.heldUntil.Sub(now) > renewHold) {
		return nil
	}
	k.held, k.heldUntil = true, until
	return []*lockwirev1.Command{{Action: &lockwirev1.Command_HoldOpen{HoldOpen: &lockwirev1.HoldOpen{UntilMs: uint64(until.UnixMilli())}}}}
}

func lockNow() *lockwirev1.Command {
	return &lockwirev1.Command{Action: &lockwirev1.Command_Lock{Lock: new(lockwirev1.Lock)}}
}

// tell sends commands in their order and does not wait for the answers: the lock's events tell the ledger.
func (s *session) tell(ctx context.Context, commands []*lockwirev1.Command) {
	s.kept.last, s.kept.sentAt = commands, s.hub.cfg.Now()
	code := region.ID(s.deviceID).Code()
	for _, c := range commands {
		s.kept.unanswered.Add(1)
		_, err := s.order(ctx, Order{
			CommandID: ownCommand + string(region.NewID(region.Command, code)), Device: s.deviceID, Command: c, NotAfter: s.kept.sentAt.Add(ownNotAfter),
		}, func(m *lockwirev1.CommandResult) {
			if s.kept.unanswered.Add(-1) < 0 {
				s.kept.unanswered.Store(0) // it came too late to count
			}
			if m.GetOutcome() != lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE {
				s.hub.cfg.Logger.WarnContext(ctx, "a lock could not do what its door's rules want", "device", s.deviceID,
					"command", m.GetCommandId(), "outcome", m.GetOutcome().String(), "text", m.GetText())
				s.kept.failed.Store(true)
				s.hub.keeper.schedule(s, s.hub.cfg.Now().Add(tryAgain))
			}
		})
		if err != nil {
			s.kept.failed.Store(true)
			return
		}
	}
}

// configuration tells a door's own limit; nil: it has none, and the lock stays as it is.
func configuration(heldOpenAfter time.Duration) *lockwirev1.Configuration {
	if heldOpenAfter == 0 {
		return nil
	}
	return &lockwirev1.Configuration{HeldOpenAfterMs: uint32(min(max(heldOpenAfter.Milliseconds(), 1_000), 86_400_000))}
}

// passed looks at a door again that may have waited for whoever just passed.
func (s *session) passed() {
	if s.kept.awaits.Load() {
		s.hub.keeper.touch(s)
	}
}
