package offline

import (
	"slices"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

const (
	granted = lockwirev1.Outcome_OUTCOME_GRANTED
	denied  = lockwirev1.Outcome_OUTCOME_DENIED
)

// question is one entry at the door at one moment.
type question struct {
	time  moment
	door  *lockwirev1.BundleDoor
	entry *lockwirev1.BundleEntry
	pin   factor
}

// decide is D6 to D15.
func (q question) decide() (outcome lockwirev1.Outcome, reason, warning Reason, grantID string) {
	rank := q.rank()                 // D6
	verdict, grantID := q.best(rank) // D7
	rules := q.door.GetRules()
	open, waits := q.open(rank), q.waits() // D8
	asked := rules.GetSecondFactor() && q.time.asks(rules.GetSecondFactorSchedule())
	switch {
	case open && !waits && verdict == grant: // D10
		return granted, grant, q.lost(true), grantID
	case open && !waits:
		return granted, autoUnlock, q.lost(false), ""
	case verdict == grant && q.simple(waits) && (!asked || q.pin == factorRight): // D11
		return granted, grant, q.lost(true), grantID
	case verdict == grant && !open && asked && q.pin == factorNone: // D12
		return denied, factorNeeded, 0, grantID
	case verdict == grant && !open && asked && q.pin != factorRight:
		return denied, factorWrong, 0, grantID
	case verdict == lockdown, verdict != grant && rank != 0 && q.time.holds(q.door.GetOpenSchedule()): // D13
		return denied, lockdown, 0, grantID
	case verdict == usesExhausted && !open: // D14
		return denied, stateUnknown, 0, grantID
	case verdict != grant && !open:
		return denied, verdict, 0, grantID
	}
	if verdict != grant { // D15
		verdict, grantID = autoUnlock, ""
	}
	if !rules.GetAllowWithoutState() || slices.ContainsFunc(q.door.GetZones(), (*lockwirev1.BundleZone).GetHard) {
		return denied, stateUnknown, 0, grantID
	}
	return granted, verdict, stateUnknown, grantID
}

// nobodyRank admits nobody. A rank that there is not counts as it, as in package policy.
const nobodyRank = 10

// rank is the highest rank of the lockdowns that hold; 0: none.
func (q question) rank() uint32 {
	var rank uint32
	for _, l := range q.door.GetLockdowns() {
		if q.time.locks(l) {
			if rank = max(rank, l.GetRank()); l.GetRank() == 0 || rank > nobodyRank {
				rank = nobodyRank
			}
		}
	}
	return rank
}

// closeness are the verdicts of rights, the closest to opening first.
var closeness = []Reason{grant, lockdown, brokenFacts, usesExhausted, outside, notYet, expired, noGrant}

// best is what the right says that comes closest to opening, and its grant.
func (q question) best(rank uint32) (verdict Reason, grantID string) {
	verdict = noGrant
	for _, r := range q.entry.GetRights() {
		if v := q.judge(r, rank); slices.Index(closeness, v) < slices.Index(closeness, verdict) {
			verdict, grantID = v, r.GetGrantId()
		}
	}
	return verdict, grantID
}

func (q question) judge(r *lockwirev1.BundleRight, rank uint32) Reason {
	switch {
	case !q.time.begun(r.GetFromMs()):
		return notYet
	case q.time.ended(r.GetToMs()):
		return expired
	}
	for _, schedule := range r.GetSchedules() {
		if _, ok := q.time.windows[schedule]; !ok {
			return brokenFacts
		}
	}
	for _, schedule := range r.GetSchedules() {
		if !q.time.admits(schedule) {
			return outside
		}
	}
	switch {
	case r.GetLimited():
		return usesExhausted
	case r.GetOverrideRank() < rank:
		return lockdown
	}
	return grant
}

func (q question) open(rank uint32) bool {
	schedule := q.door.GetOpenSchedule()
	return rank == 0 && schedule != 0 && q.time.holds(schedule)
}

func (q question) waits() bool {
	rules := q.door.GetRules()
	return rules.GetFirstPerson() && q.time.asks(rules.GetFirstPersonSchedule())
}

// simple says whether no rule stands in the way of a grant for which the lock would have to know earlier passages.
func (q question) simple(waits bool) bool {
	rules := q.door.GetRules()
	held := waits && rules.GetFirstPersonHoldsOthers() && !q.entry.GetMayBeFirst()
	return len(q.door.GetZones()) == 0 && !rules.GetTwoPerson() && !held
}

// lost is the warning where a passage is not recorded that later decisions need.
func (q question) lost(byGrant bool) Reason {
	rules := q.door.GetRules()
	arrives := byGrant && rules.GetFirstPerson() && q.entry.GetMayBeFirst() && rules.GetFirstPersonSchedule() != 0 &&
		(q.time.asks(rules.GetFirstPersonSchedule()) || rules.GetFirstPersonGraceMs() > 0)
	if arrives || len(q.door.GetZones()) > 0 {
		return stateUnknown
	}
	return 0
}
