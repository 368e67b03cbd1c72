package locksim

import (
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

// commandsKept is how many answers are remembered, also over a boot.
const commandsKept = 32

// command carries a command out, or says again what became of it.
func (k *link) command(c *lockwirev1.Command) error {
	l := k.lock
	l.mu.Lock()
	result := l.answered(c.GetCommandId())
	if result == nil {
		result = l.act(c)
	}
	l.mu.Unlock()
	if err := k.write(result); err != nil || c.GetRenewCertificate() == nil || result.GetOutcome() != lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE {
		return err
	}
	return k.renew()
}

func (l *Lock) answered(id string) *lockwirev1.CommandResult {
	for _, a := range l.flash.Commands {
		result := new(lockwirev1.CommandResult)
		if a.ID == id && proto.Unmarshal(a.Result, result) == nil {
			return result
		}
	}
	return nil
}

// act does what the command says, once. mu is held.
func (l *Lock) act(c *lockwirev1.Command) *lockwirev1.CommandResult {
	result := &lockwirev1.CommandResult{CommandId: c.GetCommandId()}
	switch {
	case l.late(c):
		result.Outcome = lockwirev1.CommandOutcome_COMMAND_OUTCOME_EXPIRED
	case c.GetRenewCertificate() != nil:
		result.Outcome = lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE
	case c.GetUnlock() == nil:
		result.Outcome = lockwirev1.CommandOutcome_COMMAND_OUTCOME_UNSUPPORTED
	default:
		l.opened++
		result.Outcome = lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE
	}
	if b, err := proto.Marshal(result); err == nil {
		l.flash.Commands = append(l.flash.Commands, answeredCommand{ID: c.GetCommandId(), Result: b})
		l.flash.Commands = l.flash.Commands[max(0, len(l.flash.Commands)-commandsKept):]
	}
	l.write(l.ring().reserve(), l.stamp(&lockwirev1.Event{
		Kind: lockwirev1.EventKind_EVENT_KIND_COMMAND, CommandId: c.GetCommandId(), CommandOutcome: result.GetOutcome(),
		Traceparent: c.GetTraceparent(),
	}))
	return result
}

// late says whether the command came after its end, by the lock's clock; one that is unset trusts the time left.
func (l *Lock) late(c *lockwirev1.Command) bool {
	if c.GetNotAfterMs() <= c.GetServerTimeMs() {
		return true
	}
	if l.quality == lockwirev1.ClockQuality_CLOCK_QUALITY_UNSET {
		return false
	}
	return l.now().After(time.UnixMilli(int64(c.GetNotAfterMs())))
}
