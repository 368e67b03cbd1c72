package access

import (
	"math"

	"github.com/cardea-mesh/cardea/services/policy"
)

// withoutState decides where the shared state cannot be reached. What no state can change stays as it is. Use limits count as
// used up. Where the door's owner chose to allow, hard anti-passback denies, and the other rules count as met, which the
// decision's warning says; otherwise whatever depends on the state is denied.
func (c *Copy) withoutState(q *question) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if q.org.inBrokenZone(q.req.Door) {
		c.settle(q, policy.Deny(policy.ReasonBrokenFacts))
		return
	}
	state := policy.State{Uses: map[policy.GrantID]int{}}
	for _, grant := range q.needs.Grants {
		state.Uses[grant] = math.MaxInt
	}
	strict := policy.Decide(q.req, q.org, state, q.at)
	if strict.Outcome == policy.Granted && (onlyRecords(strict.Effects) || q.standsOpen()) {
		c.settle(q, unrecorded(strict))
		return
	}
	allow := q.org.doors[q.req.Door].allowWithoutState
	d := policy.Decide(q.req, waiving{q.org, !allow}, state, q.at)
	switch {
	case d.Reason == policy.ReasonUsesExhausted, d.Outcome == policy.Granted && (!allow || len(d.Effects) > 0):
		d.Outcome, d.Reason, d.Warning, d.Effects = policy.Denied, policy.ReasonStateUnknown, policy.ReasonUnspecified, nil
	case d.Outcome == policy.Granted:
		d.Warning = policy.ReasonStateUnknown
	}
	c.settle(q, d)
}

// standsOpen: the door is open for everybody, whoever came before.
func (q *question) standsOpen() bool {
	_, open := policy.StandsOpen(q.org, q.req.Door, policy.State{}, q.at)
	return open
}

// onlyRecords says whether the effects are for later decisions alone: an arrival is what others wait for.
func onlyRecords(effects []policy.Effect) bool {
	for _, e := range effects {
		if e.Kind != policy.EffectArriveFirst {
			return false
		}
	}
	return true
}

// unrecorded is a decision whose effects are lost, which it says.
func unrecorded(d policy.Decision) policy.Decision {
	if len(d.Effects) > 0 {
		d.Effects, d.Warning = nil, policy.ReasonStateUnknown
	}
	return d
}
