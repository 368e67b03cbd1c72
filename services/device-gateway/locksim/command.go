package locksim

import (
	"errors"
	"slices"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

// commandsKept is how many answers are remembered, also over a boot: as many as commands may be under way, which all may come again.
const commandsKept = 64

// capabilities are what a simulated lock can do, as it names it in Hello; `bundle` it names by itself.
var capabilities = []string{
	capabilityCertificate,
	"command.unlock", "command.lock", "command.hold_open", "command.lockdown", "command.set_time", "command.reboot",
	"command.configure", "command.firmware",
}

// errReboot ends a session because the lock boots anew.
var errReboot = errors.New("the lock boots anew")

// command carries a command out, or says again what became of it. errReboot: the answer was sent, and the lock shall boot.
func (k *link) command(c *lockwirev1.Command) error {
	l := k.lock
	l.mu.Lock()
	result := l.answered(c.GetCommandId())
	again := result != nil
	if !again {
		result = l.act(c)
	}
	l.mu.Unlock()
	err := k.write(result)
	switch {
	case err != nil || again || result.GetOutcome() != lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE:
		return err
	case c.GetReboot() != nil:
		return errReboot
	case c.GetRenewCertificate() != nil:
		return k.renew()
	default:
		return nil
	}
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

// act does what the command says, once. mu is held. A piece of firmware after which more is needed is no event.
func (l *Lock) act(c *lockwirev1.Command) *lockwirev1.CommandResult {
	result := &lockwirev1.CommandResult{CommandId: c.GetCommandId()}
	if l.late(c) {
		result.Outcome = lockwirev1.CommandOutcome_COMMAND_OUTCOME_EXPIRED
	} else {
		l.do(c, result)
	}
	if b, err := proto.Marshal(result); err == nil {
		l.flash.Commands = append(l.flash.Commands, answeredCommand{ID: c.GetCommandId(), Result: b})
		l.flash.Commands = l.flash.Commands[max(0, len(l.flash.Commands)-commandsKept):]
	}
	if f := c.GetFirmware(); f != nil && result.GetOutcome() == lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE && result.GetFirmwareOffset() < f.GetSize() {
		l.save()
		return result
	}
	l.write(l.ring().reserve(), l.stamp(&lockwirev1.Event{
		Kind: lockwirev1.EventKind_EVENT_KIND_COMMAND, CommandId: c.GetCommandId(), CommandOutcome: result.GetOutcome(),
		Traceparent: c.GetTraceparent(),
	}))
	l.doorChanged()
	return result
}

// do is act in time.
func (l *Lock) do(c *lockwirev1.Command, result *lockwirev1.CommandResult) {
	result.Outcome = lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE
	switch a := c.GetAction().(type) {
	case *lockwirev1.Command_Unlock:
		if l.refusesIn(result) {
			return
		}
		l.unlock(time.Duration(a.Unlock.GetUnlockMs()) * time.Millisecond)
	case *lockwirev1.Command_HoldOpen:
		if l.refusesIn(result) {
			return
		}
		l.door.heldUntil, l.door.holdCommand = time.Now().Add(l.left(c, a.HoldOpen.GetUntilMs())), c.GetCommandId()
	case *lockwirev1.Command_Lock:
		l.lockNow()
	case *lockwirev1.Command_Lockdown:
		l.flash.Lockdown = ""
		if a.Lockdown.GetActive() {
			l.flash.Lockdown = c.GetCommandId()
			l.lockNow()
		}
	case *lockwirev1.Command_SetTime:
		l.offset += time.UnixMilli(int64(c.GetServerTimeMs())).Sub(l.now())
		l.quality = lockwirev1.ClockQuality_CLOCK_QUALITY_SYNCHRONIZED
	case *lockwirev1.Command_Configure:
		l.configure(a.Configure)
	case *lockwirev1.Command_Firmware:
		l.firmware(a.Firmware, result)
	case *lockwirev1.Command_Reboot: // after the answer
	case *lockwirev1.Command_RenewCertificate: // after the answer, too
		if l.link == nil || !slices.Contains(l.link.welcome.GetCapabilities(), capabilityCertificate) {
			result.Outcome, result.Text = lockwirev1.CommandOutcome_COMMAND_OUTCOME_FAILED, "this gateway does not renew certificates"
		}
	default:
		result.Outcome = lockwirev1.CommandOutcome_COMMAND_OUTCOME_UNSUPPORTED
	}
}

// refusesIn says FAILED in a lockdown: nobody is admitted.
func (l *Lock) refusesIn(result *lockwirev1.CommandResult) bool {
	if l.flash.Lockdown == "" {
		return false
	}
	result.Outcome, result.Text = lockwirev1.CommandOutcome_COMMAND_OUTCOME_FAILED, "a lockdown holds"
	return true
}

// late says whether the command came after its end, by the lock's clock; one that is unset trusts the time left.
func (l *Lock) late(c *lockwirev1.Command) bool {
	return l.left(c, c.GetNotAfterMs()) <= 0
}

// left is how long it is to a moment that a command names: by the gateway's clock when it sent, by the lock's, or for a lock that
// keeps its time alone whichever is less.
func (l *Lock) left(c *lockwirev1.Command, untilMS uint64) time.Duration {
	until := time.UnixMilli(int64(untilMS))
	sent := until.Sub(time.UnixMilli(int64(c.GetServerTimeMs())))
	switch l.quality {
	case lockwirev1.ClockQuality_CLOCK_QUALITY_UNSET:
		return sent
	case lockwirev1.ClockQuality_CLOCK_QUALITY_SYNCHRONIZED:
		if sent <= 0 {
			return sent
		}
		return until.Sub(l.now())
	default:
		return min(sent, until.Sub(l.now()))
	}
}
