package offline

import (
	"math"
	"slices"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

type doorRules = lockwirev1.BundleRules

// openCases are R-DECIDE-8, 10 and 13: a door that stands open at some times.
func openCases() []decisionCase {
	open := func(change func(*lockwirev1.BundleDoor)) *lockwirev1.BundleDoor {
		return aDoor(func(d *lockwirev1.BundleDoor) { d.OpenSchedule = 5; change(d) })
	}
	people := func() []*lockwirev1.BundleEntry {
		return []*lockwirev1.BundleEntry{
			has("anna", right("grant-anna")), has("gone", timed("grant-gone", 0, minute(1))), has("bert"), has("used", limited("grant-used")),
			has("over", ranked("grant-over", 5)), leads(has("lead", right("grant-lead"))),
		}
	}
	return []decisionCase{
		{"stands-open", "while the door stands open everybody whom the bundle knows is let in, and the unlock is as long as any", []int{8, 10, 14},
			open(func(*lockwirev1.BundleDoor) {}), people(), []decisionStep{
				asks(ms(10, -1), card("gone"), expired, ""), asks(in(10), card("anna"), grant, "grant-anna"), asks(in(10), card("gone"), autoUnlock, "credential-gone"),
				asks(in(10), card("bert"), autoUnlock, ""), asks(ms(20, -1), card("used"), autoUnlock, ""), asks(in(20), card("used"), stateUnknown, "grant-used"),
				asks(in(20), card("bert"), noGrant, ""), asks(in(20), card("anna"), grant, "")}},
		{"stands-open-in-zone", "... with a warning where a passage is lost that others need", []int{10},
			open(func(d *lockwirev1.BundleDoor) { d.Zones = []*lockwirev1.BundleZone{{ZoneId: "zone_1", Hard: true}} }), people(), []decisionStep{
				warns(in(10), card("anna"), grant, "grant-anna"), warns(in(10), card("bert"), autoUnlock, "")}},
		{"lockdown-at-opening-hours", "during a lockdown the door does not stand open; who has no right that overrides it is told LOCKDOWN in its opening hours", []int{8, 13},
			open(func(d *lockwirev1.BundleDoor) {
				d.Lockdowns = []*lockwirev1.BundleLockdown{{Rank: 5, FromMs: minute(15), ToMs: minute(25)}}
			}), people(), []decisionStep{
				asks(ms(15, -1), card("bert"), autoUnlock, ""), asks(in(15), card("bert"), lockdown, ""), asks(in(15), card("gone"), lockdown, "grant-gone"),
				asks(in(15), card("used"), lockdown, ""), asks(in(15), card("anna"), lockdown, "grant-anna"), asks(in(15), card("over"), grant, "grant-over"),
				asks(in(20), card("bert"), noGrant, ""), asks(in(20), card("gone"), expired, ""), asks(in(20), card("anna"), lockdown, "")}},
		{"open-after-first-person", "opening hours that wait for a first person: the lock alone does not know whether they came", []int{8, 11, 15},
			open(func(d *lockwirev1.BundleDoor) { d.Rules.FirstPerson = true }), people(), []decisionStep{
				asks(in(10), card("anna"), grant, "grant-anna"), asks(in(10), card("bert"), stateUnknown, ""), asks(in(10), card("used"), stateUnknown, ""), asks(in(25), card("bert"), noGrant, "")}},
		{"open-after-first-person-allowed", "... and where the owner chose to allow it opens, and says so", []int{15},
			open(func(d *lockwirev1.BundleDoor) { d.Rules.FirstPerson, d.Rules.AllowWithoutState = true, true }), people(), []decisionStep{
				asks(in(10), card("anna"), grant, "grant-anna"), warns(in(10), card("bert"), autoUnlock, "credential-bert"), warns(in(10), card("used"), autoUnlock, ""),
				asks(in(25), card("bert"), noGrant, "")}},
		{"unlock-too-short", "an unlock lasts 500 ms at least, whatever the bundle says", []int{10, 11}, open(func(d *lockwirev1.BundleDoor) { d.UnlockMs = 499 }), people()[:2], []decisionStep{
			lasts(asks(in(1), card("anna"), grant, "grant-anna"), 500), lasts(asks(in(10), card("gone"), autoUnlock, ""), 500)}},
		{"unlock-too-long", "... and 60,000 at most", []int{11}, aDoor(func(d *lockwirev1.BundleDoor) { d.UnlockMs = math.MaxUint32 }), people()[:1], []decisionStep{
			lasts(asks(in(1), card("anna"), grant, "grant-anna"), 60_000)}},
		{"default-unlock", "a bundle that does not say how long: the lock's own time", []int{10, 11}, aDoor(func(d *lockwirev1.BundleDoor) { d.UnlockMs = 0 }), people(), []decisionStep{
			asks(in(1), card("anna"), grant, "grant-anna")}},
	}
}

// factorCases are R-DECIDE-9, 11 and 12: PINs.
func factorCases() []decisionCase {
	people := func() []*lockwirev1.BundleEntry {
		return []*lockwirev1.BundleEntry{
			digits(has("anna", right("grant-anna")), "0427"), digits(has("bert", right("grant-bert")), "9999"), has("dora", right("grant-dora")),
			digits(has("gone", timed("grant-gone", 0, minute(1))), "0427"), opensBy("code", "471100"),
		}
	}
	always := func(r *doorRules) { r.SecondFactor = true }
	return []decisionCase{
		{"second-factor", "a door that asks for a PIN", []int{9, 11, 12, 14}, ruled(always), people(), []decisionStep{
			asks(in(1), card("anna"), factorNeeded, "grant-anna"), asks(in(1), with("anna", "0428"), factorWrong, "grant-anna"), asks(in(1), with("anna", "0427"), grant, "grant-anna"),
			asks(in(1), with("bert", "0427"), factorWrong, ""), asks(in(1), with("bert", "9999"), grant, ""), asks(in(1), with("dora", "0427"), factorWrong, ""),
			asks(in(2), with("gone", "0427"), expired, "grant-gone"), asks(in(2), with("none", "0427"), unknown, ""), asks(in(2), code("471100"), factorNeeded, "grant-code")}},
		{"second-factor-schedule", "a door that asks for a PIN at times", []int{8, 11, 12}, ruled(func(r *doorRules) { r.SecondFactor, r.SecondFactorSchedule = true, 5 }), people(), []decisionStep{
			asks(ms(10, -1), card("anna"), grant, ""), asks(in(10), card("anna"), factorNeeded, ""), asks(in(10), with("anna", "0427"), grant, ""),
			asks(ms(20, -1), card("anna"), factorNeeded, ""), asks(in(20), card("anna"), grant, ""), asks(in(25), with("anna", "1"), grant, "")}},
		{"no-second-factor", "where the door never asks for one, a PIN is not looked at", []int{9}, plain(), people(), append(wrongPINs(2, 5, "anna", grant),
			asks(in(3), with("anna", "0427"), grant, ""), asks(in(3), card("anna"), grant, ""))},
		{"pin-attempts", "after five wrong PINs of a person every one is wrong, until ten minutes after the first", []int{9}, ruled(always), people(), append(wrongPINs(2, 5, "anna", factorWrong),
			asks(in(3), with("anna", "0427"), factorWrong, ""), asks(in(3), card("anna"), factorNeeded, ""), asks(in(3), with("bert", "9999"), grant, ""),
			asks(ms(12, -1), with("anna", "0427"), factorWrong, ""), asks(in(12), with("anna", "0427"), grant, ""))},
		{"pin-attempts-forgotten", "a right PIN forgets the wrong ones, and the ten minutes begin with the next wrong one", []int{9}, ruled(always), people(), slices.Concat(
			wrongPINs(2, 4, "anna", factorWrong), []decisionStep{asks(in(3), with("anna", "0427"), grant, "")},
			wrongPINs(4, 1, "anna", factorWrong), []decisionStep{asks(in(5), with("anna", "0427"), grant, "")},
			wrongPINs(6, 5, "anna", factorWrong), []decisionStep{
				asks(in(7), with("anna", "0427"), factorWrong, ""), asks(ms(16, -1), with("anna", "0427"), factorWrong, ""), asks(in(16), with("anna", "0427"), grant, "")})},
		{"pin-attempts-unasked", "wrong PINs count also while the door does not ask for one, and when the right has ended", []int{9},
			ruled(func(r *doorRules) { r.SecondFactor, r.SecondFactorSchedule = true, 5 }), people(), slices.Concat(
				wrongPINs(2, 5, "gone", expired), wrongPINs(3, 5, "anna", grant), []decisionStep{
					asks(in(11), with("anna", "0427"), factorWrong, ""), asks(in(11), card("anna"), factorNeeded, "")})},
		{"second-factor-at-open-door", "while the door stands open no PIN is asked for; wrong ones are counted", []int{9, 10},
			aDoor(func(d *lockwirev1.BundleDoor) { d.OpenSchedule, d.Rules.SecondFactor = 5, true }), people(), []decisionStep{
				asks(in(10), card("anna"), grant, ""), asks(in(10), with("anna", "1"), grant, ""), asks(in(10), card("gone"), autoUnlock, ""), asks(in(20), card("anna"), factorNeeded, "")}},
		{"second-factor-without-state", "where opening hours wait for a first person, a missing PIN is one more thing that the owner chose to pass over", []int{12, 15},
			aDoor(func(d *lockwirev1.BundleDoor) {
				d.OpenSchedule, d.Rules.SecondFactor, d.Rules.FirstPerson, d.Rules.AllowWithoutState = 5, true, true, true
			}), people(), []decisionStep{
				warns(in(10), card("anna"), grant, "grant-anna"), asks(in(10), with("anna", "0427"), grant, "grant-anna"), warns(in(10), card("gone"), autoUnlock, ""),
				asks(in(25), card("anna"), factorNeeded, "")}},
	}
}

// wrongPINs are count of them in a minute, one a second.
func wrongPINs(minutes, count int, name string, reason Reason) (steps []decisionStep) {
	for i := range count {
		steps = append(steps, asks(ms(minutes, i*1000), with(name, "1111"), reason, ""))
	}
	return steps
}
