package lockconformance

import lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"

// decideRules are R-DECIDE-1 to 15 at a lock: what it does with one card, by one bundle after the other. The golden decisions beside the
// .proto have the rest: moments that cannot be waited for, and what has no effect that can be seen from outside.
func decideRules() []rule {
	nothing := func(*theDoor) {}
	first := func(r *theRules) { r.FirstPerson, r.FirstPersonSchedule = true, openNow }
	holdsOthers := func(r *theRules) { first(r); r.FirstPersonHoldsOthers = true }
	leads := func(e *theEntry) { e.MayBeFirst = true }
	nobody := rights()
	plain, ranked := &theRight{GrantId: "grant_1"}, &theRight{GrantId: "grant_2", OverrideRank: 4}
	hard := func(d *theDoor) { d.Zones = []*lockwirev1.BundleZone{{ZoneId: "zone_1", Hard: true}} }
	soft := func(d *theDoor) { d.Zones = []*lockwirev1.BundleZone{{ZoneId: "zone_1"}} }
	allowed := func(also func(*theDoor)) func(*theDoor) {
		return func(d *theDoor) { d.Rules.AllowWithoutState = true; also(d) }
	}
	both := func(a, b func(*theDoor)) func(*theDoor) { return func(d *theDoor) { a(d); b(d) } }
	stranger := func(e *theEntry) { e.Digests = entry(1).GetDigests() }
	listed := func(rights ...*theRight) func(*theEntry) {
		return func(e *theEntry) { e.Emergency, e.Rights = true, rights }
	}
	scheduled := func(refs ...uint64) *theRight { return &theRight{GrantId: "grant_3", Schedules: refs} }
	soon, gone := &theRight{GrantId: "grant_4", FromMs: minutesOn(60 * 24)}, &theRight{GrantId: "grant_5", ToMs: minutesOn(-5)}
	used := &theRight{GrantId: "grant_6", Limited: true}
	return []rule{
		{name: "R-DECIDE-1", lock: alone(withoutBundle)},
		{name: "R-DECIDE-2", lock: decides(
			presentation{"a broken door", func(d *theDoor) { d.Broken = true }, nil, nil, brokenFacts})},
		{name: "R-DECIDE-3", lock: all(decides(
			presentation{"an unknown card", nil, stranger, nil, unknownCard},
			presentation{"an unknown card at a door that stands open", openAnd(nothing), stranger, nil, unknownCard},
			presentation{"a digest under a key that is not in the bundle", nil, func(e *theEntry) { e.Digests[0].KeyId = "another" }, nil, unknownCard},
		), alone(secondKey))},
		{name: "R-DECIDE-4", lock: decides(
			presentation{"a bundle that has ended", nil, nil, aged, tooOld},
			presentation{"... at a door with a policy of a later version", after(99), nil, aged, tooOld},
			presentation{"... for who is not on the emergency list", after(emergencyList), nil, aged, tooOld},
			presentation{"... for an unknown card", nil, stranger, aged, unknownCard},
			presentation{"a bundle from 10 minutes on", nil, nil, func(c *lockwirev1.BundleContent) { c.IssuedAtMs = minutesOn(10) }, tooOld},
			presentation{"a bundle from half a minute on", nil, nil, func(c *lockwirev1.BundleContent) { c.IssuedAtMs = minutesOn(0) + 30_000 }, byGrant})},
		{name: "R-DECIDE-5", lock: decides(
			presentation{"in a window", nil, rights(scheduled(holds)), nil, byGrant},
			presentation{"after a window", nil, rights(scheduled(over)), nil, outside},
			presentation{"in one window and after another", nil, rights(scheduled(holds, over)), nil, outside},
			presentation{"on the emergency list of an old bundle, after a window", after(emergencyList), listed(scheduled(over)), aged, byGrant},
			presentation{"... when the right itself has ended", after(emergencyList), listed(gone), aged, expired},
			presentation{"an old bundle that keeps going", after(keepGoing), nil, aged, byGrant},
			presentation{"... for a right with a schedule", after(keepGoing), rights(scheduled(holds)), aged, outside},
			presentation{"... at a door that would stand open", both(after(keepGoing), openAnd(nothing)), nobody, aged, noGrant})},
		{name: "R-DECIDE-6", lock: decides(
			presentation{"a lockdown that has ended, and one to come", both(locked(9, -20, -10), locked(9, 10, 20)), nil, nil, byGrant},
			presentation{"of two lockdowns the higher counts", both(locked(3, -10, 10), locked(5, -10, 10)), rights(ranked), nil, inLockdown})},
		{name: "R-DECIDE-7", lock: decides(
			presentation{"a right that has not begun", nil, rights(soon), nil, notYet},
			presentation{"a right that has ended", nil, rights(gone), nil, expired},
			presentation{"a schedule that the door does not have", nil, rights(scheduled(neverHeard)), nil, brokenFacts},
			presentation{"a right that overrides the lockdown", locked(3, -10, 10), rights(ranked), nil, byGrant},
			presentation{"what comes closest to opening counts", nil, rights(gone, soon, scheduled(over)), nil, outside},
			presentation{"... and a grant closest of all", nil, rights(gone, used, plain), nil, byGrant})},
		{name: "R-DECIDE-8", lock: decides(
			presentation{"a schedule of opening that does not hold", func(d *theDoor) { d.OpenSchedule = closed }, nobody, nil, noGrant},
			presentation{"a lockdown ends standing open", openAnd(locked(3, -10, 10)), nobody, nil, inLockdown},
			presentation{"a PIN is asked for in another schedule", ruled(func(r *theRules) { r.SecondFactor, r.SecondFactorSchedule = true, closed }), nil, nil, byGrant})},
		{name: "R-DECIDE-9", lock: alone(pins)},
		{name: "R-DECIDE-10", lock: decides(
			presentation{"a right at a door that stands open", openAnd(nothing), nil, nil, byGrant},
			presentation{"no right at a door that stands open", openAnd(nothing), nobody, nil, autoUnlock},
			presentation{"a right that has ended at a door that stands open", openAnd(nothing), rights(gone), nil, autoUnlock})},
		{name: "R-DECIDE-11", lock: decides(
			presentation{"a right", nil, nil, nil, byGrant},
			presentation{"a first person who holds nobody back", ruled(first), nil, nil, byGrant},
			presentation{"the first person", ruled(holdsOthers), leads, nil, byGrant},
			presentation{"who has to wait for the first person", ruled(holdsOthers), nil, nil, stateUnknown})},
		{name: "R-DECIDE-12", lock: all(decides(
			presentation{"a PIN that is missing", ruled(func(r *theRules) { r.SecondFactor = true }), nil, nil, factorNeeded},
			presentation{"... where more is missing", ruled(func(r *theRules) { r.SecondFactor, r.TwoPerson = true, true }), nil, nil, factorNeeded}), alone(wrongPIN))},
		{name: "R-DECIDE-13", lock: decides(
			presentation{"a lockdown", locked(3, -10, 10), nil, nil, inLockdown},
			presentation{"no right, in a lockdown in opening hours", openAnd(locked(3, -10, 10)), rights(gone), nil, inLockdown},
			presentation{"no right, in a lockdown", locked(3, -10, 10), rights(gone), nil, expired})},
		{name: "R-DECIDE-14", lock: decides(
			presentation{"no right", nil, nobody, nil, noGrant},
			presentation{"a right that opens a number of times", nil, rights(used), nil, stateUnknown})},
		{name: "R-DECIDE-15", lock: decides(
			presentation{"two people open", ruled(func(r *theRules) { r.TwoPerson = true }), nil, nil, stateUnknown},
			presentation{"... where the owner chose to allow", allowed(ruled(func(r *theRules) { r.TwoPerson = true })), nil, nil, byGrant},
			presentation{"a zone", soft, nil, nil, stateUnknown},
			presentation{"... where the owner chose to allow", allowed(soft), nil, nil, byGrant},
			presentation{"... that is hard", allowed(hard), nil, nil, stateUnknown},
			presentation{"no right, where opening waits for a first person, and the owner chose to allow",
				allowed(openAnd(ruled(func(r *theRules) { r.FirstPerson = true }))), nobody, nil, autoUnlock})},
	}
}
