package offline

import lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"

// passageCases are R-DECIDE-10, 11 and 15: rules about earlier passages, of which a lock alone knows nothing.
func passageCases() []decisionCase {
	zoned := func(allow bool, hard ...bool) *lockwirev1.BundleDoor {
		return aDoor(func(d *lockwirev1.BundleDoor) {
			d.Rules.AllowWithoutState = allow
			for i, h := range hard {
				d.Zones = append(d.Zones, &lockwirev1.BundleZone{ZoneId: string(rune('a' + i)), Hard: h})
			}
		})
	}
	people := func() []*lockwirev1.BundleEntry {
		return []*lockwirev1.BundleEntry{
			digits(has("anna", right("grant-anna")), "0427"), leads(has("lead", right("grant-lead"))), has("used", limited("grant-used")), has("gone", timed("grant-gone", 0, minute(1))), leads(has("bert")),
		}
	}
	one := func(name, title string, door *lockwirev1.BundleDoor, rules []int, steps ...decisionStep) decisionCase {
		return decisionCase{name, title, rules, door, people(), steps}
	}
	first := func(r *doorRules) { r.FirstPerson, r.FirstPersonSchedule = true, 5 }
	held := func(r *doorRules) { first(r); r.FirstPersonHoldsOthers = true }
	return []decisionCase{
		one("zone-soft", "the border of a zone with soft anti-passback", zoned(false, false), []int{11, 15},
			asks(in(1), card("anna"), stateUnknown, "grant-anna"), asks(in(1), card("gone"), expired, "")),
		one("zone-soft-allowed", "... where the owner chose to allow", zoned(true, false), []int{11, 15},
			warns(in(1), card("anna"), grant, "grant-anna"), asks(in(1), card("used"), stateUnknown, ""), asks(in(2), card("gone"), expired, "")),
		one("zone-hard", "the border of a zone with hard anti-passback", zoned(false, true), []int{15}, asks(in(1), card("anna"), stateUnknown, "grant-anna")),
		one("zone-hard-allowed", "... is not passed over, whatever the owner chose, nor is it beside a soft one", zoned(true, false, true), []int{15},
			asks(in(1), card("anna"), stateUnknown, "grant-anna")),
		one("two-person", "a door that two people open", ruled(func(r *doorRules) { r.TwoPerson = true }), []int{11, 15},
			asks(in(1), card("anna"), stateUnknown, "grant-anna"), asks(in(2), card("gone"), expired, "")),
		one("two-person-allowed", "... where the owner chose to allow", ruled(func(r *doorRules) { r.TwoPerson, r.AllowWithoutState = true, true }), []int{15},
			warns(in(1), card("anna"), grant, "grant-anna"), asks(in(1), card("used"), stateUnknown, "")),
		one("two-person-with-pin", "a missing PIN comes before what is not known", ruled(func(r *doorRules) { r.TwoPerson, r.SecondFactor = true, true }), []int{12, 15},
			asks(in(1), card("anna"), factorNeeded, ""), asks(in(1), with("anna", "1"), factorWrong, ""), asks(in(1), with("anna", "0427"), stateUnknown, "")),
		one("first-person", "a first person who holds nobody back; an arrival in a piece is lost, and said so", ruled(first), []int{8, 11},
			asks(in(10), card("anna"), grant, "grant-anna"), warns(in(10), card("lead"), grant, "grant-lead"), asks(in(25), card("lead"), grant, "grant-lead")),
		one("first-person-grace", "... and so is one that may count for a piece to come", ruled(func(r *doorRules) { first(r); r.FirstPersonGraceMs = 600_000 }), []int{11},
			warns(in(1), card("lead"), grant, "grant-lead"), asks(in(1), card("anna"), grant, "grant-anna")),
		one("first-person-always", "without pieces nobody waits for an arrival later", ruled(func(r *doorRules) { r.FirstPerson = true }), []int{8, 11},
			asks(in(1), card("lead"), grant, "grant-lead"), asks(in(1), card("anna"), grant, "grant-anna")),
		one("first-person-holds", "a first person before whom nobody else is admitted", ruled(held), []int{8, 11, 15},
			asks(ms(10, -1), card("anna"), grant, ""), asks(in(10), card("anna"), stateUnknown, "grant-anna"), warns(in(10), card("lead"), grant, "grant-lead"),
			asks(in(10), card("bert"), noGrant, ""), asks(ms(20, -1), card("anna"), stateUnknown, ""), asks(in(20), card("anna"), grant, "")),
		one("first-person-holds-allowed", "... where the owner chose to allow", ruled(func(r *doorRules) { held(r); r.AllowWithoutState = true }), []int{11, 15},
			warns(in(10), card("anna"), grant, "grant-anna"), warns(in(10), card("lead"), grant, "grant-lead"), asks(in(10), card("bert"), noGrant, ""), asks(in(25), card("anna"), grant, "")),
	}
}
