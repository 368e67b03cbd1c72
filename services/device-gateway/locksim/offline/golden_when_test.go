package offline

import (
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// whenCases are R-DECIDE-4 and 5: how old the bundle is, and what an old one may do.
func whenCases() []decisionCase {
	after := func(a lockwirev1.AfterBudget) *lockwirev1.BundleDoor {
		return aDoor(func(d *lockwirev1.BundleDoor) { d.AfterBudget = a })
	}
	people := func() []*lockwirev1.BundleEntry {
		return []*lockwirev1.BundleEntry{
			has("anna", right("grant-anna")), has("hour", during("grant-hour", 9)), listed(has("fire", during("grant-fire", 6))),
			listed(has("gone", timed("grant-gone", 0, minute(150)))), listed(has("soon", timed("grant-soon", minute(60), 0))), listed(has("lost", during("grant-lost", 77))),
		}
	}
	unset := noClock(time.Minute) // before somebody has set it; a set one stays set until power is lost
	safe := func(name, title string, policy lockwirev1.AfterBudget) decisionCase {
		return decisionCase{name, title, []int{4}, after(policy), people(), []decisionStep{
			asks(unset, card("anna"), tooOld, ""), asks(unset, card("fire"), tooOld, ""), asks(ms(120, -1), card("anna"), grant, "grant-anna"),
			asks(in(120), card("anna"), tooOld, "credential-anna"), asks(in(120), card("fire"), tooOld, ""), asks(in(120), card("none"), unknown, "")}}
	}
	return []decisionCase{
		{"clock", "a clock is believed up to a minute before the bundle was made, and counts as that moment", []int{4}, plain(), people(), []decisionStep{
			asks(in(-9999), card("anna"), tooOld, ""), asks(ms(-1, -1), card("hour"), tooOld, ""), asks(in(-1), card("hour"), grant, "grant-hour"),
			asks(ms(0, -1), card("hour"), grant, "grant-hour"), asks(in(0), card("hour"), grant, "grant-hour"), asks(ms(120, -1), card("hour"), grant, "grant-hour"),
			asks(in(120), card("hour"), tooOld, ""), asks(in(99999), card("anna"), tooOld, "")}},
		safe("stay-secure", "STAY_SECURE: an old bundle opens for nobody", lockwirev1.AfterBudget_AFTER_BUDGET_STAY_SECURE),
		safe("unspecified-policy", "no policy: as STAY_SECURE", lockwirev1.AfterBudget_AFTER_BUDGET_UNSPECIFIED),
		safe("later-policy", "a policy that the lock does not know: as STAY_SECURE", 99),
		{"emergency-list", "EMERGENCY_LIST: who is on it, by their rights, without regard to windows", []int{4, 5},
			after(lockwirev1.AfterBudget_AFTER_BUDGET_EMERGENCY_LIST), people(), []decisionStep{
				asks(unset, card("fire"), grant, "grant-fire"), asks(unset, card("gone"), expired, "grant-gone"), asks(unset, card("soon"), notYet, "grant-soon"),
				asks(in(-2), card("fire"), grant, "grant-fire"), asks(in(-2), card("anna"), tooOld, ""),
				asks(in(119), card("anna"), grant, "grant-anna"), asks(in(119), card("fire"), outside, "grant-fire"), asks(in(120), card("anna"), tooOld, "credential-anna"),
				asks(in(120), card("fire"), grant, "grant-fire"), asks(in(120), card("lost"), brokenFacts, "grant-lost"),
				asks(ms(150, -1), card("gone"), grant, "grant-gone"), asks(in(150), card("gone"), expired, "grant-gone"), asks(in(150), card("soon"), grant, "grant-soon")}},
		{"keep-going", "KEEP_GOING: rights without a schedule go on", []int{4, 5}, after(lockwirev1.AfterBudget_AFTER_BUDGET_KEEP_GOING), people(), []decisionStep{
			asks(unset, card("anna"), grant, "grant-anna"), asks(unset, card("hour"), outside, ""), asks(unset, card("gone"), expired, ""), asks(unset, card("soon"), notYet, ""),
			asks(in(120), card("anna"), grant, "grant-anna"), asks(in(120), card("hour"), outside, "grant-hour"), asks(in(120), card("fire"), outside, "grant-fire"),
			asks(in(120), card("soon"), grant, "grant-soon"), asks(in(120), card("lost"), brokenFacts, ""), asks(in(120), card("none"), unknown, ""),
			asks(ms(150, -1), card("gone"), grant, "grant-gone"), asks(in(150), card("gone"), expired, "")}},
		{"old-door-is-no-less-strict", "an old bundle asks for what a schedule would ask for, does not stand open, and knows when a lockdown ends", []int{5, 6, 8},
			aDoor(func(d *lockwirev1.BundleDoor) {
				d.AfterBudget, d.OpenSchedule = lockwirev1.AfterBudget_AFTER_BUDGET_KEEP_GOING, 5
				d.Rules.SecondFactor, d.Rules.SecondFactorSchedule = true, 6
				d.Lockdowns = []*lockwirev1.BundleLockdown{{Rank: 3, FromMs: minute(180), ToMs: minute(240)}}
			}), []*lockwirev1.BundleEntry{digits(has("anna", right("grant-anna")), "0427")}, []decisionStep{
				asks(unset, with("anna", "0427"), lockdown, ""), asks(in(10), card("anna"), grant, "grant-anna"), asks(in(25), card("anna"), grant, "grant-anna"),
				asks(in(120), card("anna"), factorNeeded, ""), asks(in(120), with("anna", "0427"), grant, "grant-anna"), asks(in(180), with("anna", "0427"), lockdown, ""),
				asks(in(240), card("anna"), factorNeeded, ""), asks(in(240), with("anna", "0427"), grant, "")}},
		{"old-door-waits", "an old bundle waits for a first person always", []int{5, 8, 11, 15},
			aDoor(func(d *lockwirev1.BundleDoor) {
				d.AfterBudget = lockwirev1.AfterBudget_AFTER_BUDGET_KEEP_GOING
				d.Rules.FirstPerson, d.Rules.FirstPersonSchedule, d.Rules.FirstPersonHoldsOthers = true, 6, true
			}), []*lockwirev1.BundleEntry{has("anna", right("grant-anna")), leads(has("lead", right("grant-lead")))}, []decisionStep{
				asks(in(1), card("anna"), grant, "grant-anna"), asks(in(1), card("lead"), grant, "grant-lead"), asks(in(120), card("anna"), stateUnknown, ""),
				warns(in(120), card("lead"), grant, "grant-lead")}},
	}
}
