package lockconformance

import (
	"fmt"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// The reasons of DecisionReason in proto/cardea/permissions/v1/rules.proto that a lock alone gives.
const (
	byGrant         = 1
	noGrant         = 2
	outside         = 3
	notYet          = 4
	expired         = 5
	unknownCard     = 6
	inLockdown      = 9
	tooOld          = 10
	brokenFacts     = 11
	autoUnlock      = 12
	factorNeeded    = 17
	factorWrong     = 18
	stateUnknown    = 20
	staySecure      = lockwirev1.AfterBudget_AFTER_BUDGET_STAY_SECURE
	emergencyList   = lockwirev1.AfterBudget_AFTER_BUDGET_EMERGENCY_LIST
	keepGoing       = lockwirev1.AfterBudget_AFTER_BUDGET_KEEP_GOING
	holds           = 5 // a schedule that holds from 10 minutes ago for 20 minutes
	over            = 6 // one that has ended
	neverHeard      = 7 // one that the door does not have
	openNow, closed = uint64(holds), uint64(over)
)

// presentation is a bundle and what the lock has to decide by it when the operator's card is presented.
type presentation struct {
	what   string
	door   func(*lockwirev1.BundleDoor)
	entry  func(*lockwirev1.BundleEntry)
	of     func(*lockwirev1.BundleContent) // nil: made now, for an hour
	reason uint32                          // GRANT and AUTO_UNLOCK open
}

type (
	theDoor  = lockwirev1.BundleDoor
	theEntry = lockwirev1.BundleEntry
	theRules = lockwirev1.BundleRules
	theRight = lockwirev1.BundleRight
)

// decides goes through presentations, each with a bundle of its own.
func decides(all ...presentation) check[*lockRun] {
	return alone(func(s *solitude) error {
		for _, p := range all {
			if err := s.play(p); err != nil {
				return fmt.Errorf("%s: %w", p.what, err)
			}
		}
		return nil
	})
}

func (s *solitude) play(p presentation) error {
	door, entry := plainDoor(), s.known(&theRight{GrantId: "grant_1"})
	door.Rules = &theRules{}
	door.Schedules = []*lockwirev1.BundleSchedule{windows(holds, -10, 10), windows(over, -20, -10)}
	if p.door != nil {
		p.door(door)
	}
	if p.entry != nil {
		p.entry(entry)
	}
	content := s.s.content(door, entry)
	if p.of != nil {
		p.of(content)
	}
	if _, err := s.s.give(content, nil, none); err != nil {
		return err
	}
	_, e, err := s.decides(s.l.cfg.Operator.Present)
	if err != nil {
		return err
	}
	return wants(e, outcomeOf(p.reason), p.reason)
}

func outcomeOf(reason uint32) lockwirev1.Outcome {
	if reason == byGrant || reason == autoUnlock {
		return granted
	}
	return denied_
}

func rights(all ...*theRight) func(*theEntry) { return func(e *theEntry) { e.Rights = all } }

func ruled(change func(*theRules)) func(*theDoor) { return func(d *theDoor) { change(d.Rules) } }

// openAnd is a door that stands open, and something more.
func openAnd(change func(*theDoor)) func(*theDoor) {
	return func(d *theDoor) { d.OpenSchedule = openNow; change(d) }
}

// locked adds a lockdown of a rank, from and to minutes from now.
func locked(rank uint32, from, to int) func(*theDoor) {
	return func(d *theDoor) {
		d.Lockdowns = append(d.Lockdowns, &lockwirev1.BundleLockdown{Rank: rank, FromMs: minutesOn(from), ToMs: minutesOn(to)})
	}
}

// aged is a bundle of two hours ago whose hour is over.
func aged(c *lockwirev1.BundleContent) {
	c.IssuedAtMs, c.NotAfterMs = minutesOn(-120)/60_000*60_000, minutesOn(-60)/60_000*60_000
}

// after is a door whose owner chose what the end of the budget means.
func after(policy lockwirev1.AfterBudget) func(*theDoor) {
	return func(d *theDoor) { d.AfterBudget = policy }
}

// without a bundle nothing is decided.
func withoutBundle(s *solitude) error {
	if err := s.s.forgetAll(); err != nil {
		return err
	}
	_, e, err := s.decides(s.l.cfg.Operator.Present)
	if err == nil && (e.GetOutcome() == granted || e.GetOffline() || e.GetReason() != 0) {
		return fmt.Errorf("without a bundle the event is %v", e)
	}
	return err
}
