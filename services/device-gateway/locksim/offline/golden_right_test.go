package offline

import lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"

// rightCases are R-DECIDE-5 to 7, 13 and 14: schedules, lockdowns, and what rights say.
func rightCases() []decisionCase {
	lockdowns := func(d *lockwirev1.BundleDoor) {
		d.Lockdowns = []*lockwirev1.BundleLockdown{
			{Rank: 3, FromMs: minute(10), ToMs: minute(20)}, {Rank: 5, FromMs: minute(15), ToMs: minute(18)}, {Rank: 10, FromMs: minute(60)},
		}
	}
	return []decisionCase{
		{"schedule-edges", "a window holds from its first millisecond to the one before its end; all schedules of a right have to", []int{5, 7, 14}, plain(),
			[]*lockwirev1.BundleEntry{has("five", during("grant-five", 5)), has("both", during("grant-both", 5, 7)), has("none", during("grant-none", 6)), has("ever", during("grant-ever", 9))},
			[]decisionStep{
				asks(in(0), card("ever"), grant, ""), asks(ms(10, -1), card("five"), outside, "grant-five"), asks(in(10), card("five"), grant, "grant-five"),
				asks(in(14), card("both"), outside, ""), asks(in(15), card("both"), grant, ""), asks(in(15), card("none"), outside, "grant-none"),
				asks(ms(20, -1), card("five"), grant, ""), asks(in(20), card("five"), outside, ""), asks(in(25), card("both"), outside, ""), asks(ms(30, -1), card("five"), outside, ""),
				asks(in(30), card("five"), grant, ""), asks(ms(35, -1), card("both"), grant, ""), asks(in(35), card("both"), outside, ""), asks(ms(120, -1), card("ever"), grant, "")}},
		{"right-edges", "a right holds from its first millisecond to the one before its end", []int{7, 14}, plain(),
			[]*lockwirev1.BundleEntry{has("time", timed("grant-time", minute(10), minute(20))), has("back", timed("grant-back", minute(20), minute(10)))}, []decisionStep{
				asks(ms(10, -1), card("time"), notYet, "grant-time"), asks(in(10), card("time"), grant, "grant-time"), asks(in(15), card("back"), notYet, ""),
				asks(ms(20, -1), card("time"), grant, "grant-time"), asks(in(20), card("time"), expired, "grant-time"), asks(in(20), card("back"), expired, "")}},
		{"closest-right", "of what rights say, what comes closest to opening counts; of several the first", []int{7, 14}, aDoor(func(d *lockwirev1.BundleDoor) { lockdowns(d) }),
			[]*lockwirev1.BundleEntry{
				has("none"), has("gone", timed("grant-gone", 0, minute(5))), has("soon", timed("grant-gone", 0, minute(5)), timed("grant-soon", minute(100), 0)),
				has("shut", timed("grant-soon", minute(100), 0), during("grant-shut", 6)), has("used", during("grant-shut", 6), limited("grant-used")),
				has("lost", limited("grant-used"), during("grant-lost", 77)), has("down", during("grant-lost", 77), right("grant-down")),
				has("over", right("grant-down"), ranked("grant-over", 3)), has("twoo", ranked("grant-one", 4), ranked("grant-two", 9)), has("late", limited("grant-use1"), limited("grant-use2")),
			}, []decisionStep{
				asks(in(9), card("down"), grant, "grant-down"), asks(in(12), card("none"), noGrant, "credential-none"), asks(in(12), card("gone"), expired, "grant-gone"),
				asks(in(12), card("soon"), notYet, "grant-soon"), asks(in(12), card("shut"), outside, "grant-shut"), asks(in(12), card("used"), stateUnknown, "grant-used"), asks(in(12), card("lost"), brokenFacts, "grant-lost"),
				asks(in(12), card("down"), lockdown, "grant-down"), asks(in(12), card("over"), grant, "grant-over"), asks(in(12), card("twoo"), grant, "grant-one"),
				asks(in(12), card("late"), stateUnknown, "grant-use1")}},
		{"lockdown-ranks", "a right opens in lockdowns of at most its override rank; the highest that holds counts", []int{6, 7, 13},
			aDoor(lockdowns), []*lockwirev1.BundleEntry{
				has("zero", right("grant-zero")), has("two2", ranked("grant-two", 2)), has("thre", ranked("grant-three", 3)), has("five", ranked("grant-five", 5)),
				has("nine", ranked("grant-nine", 9)), has("used", &lockwirev1.BundleRight{GrantId: "grant-used", Limited: true, OverrideRank: 9}),
			}, []decisionStep{
				asks(ms(10, -1), card("zero"), grant, ""), asks(in(10), card("zero"), lockdown, "grant-zero"), asks(in(10), card("two2"), lockdown, ""), asks(in(10), card("thre"), grant, ""),
				asks(ms(15, -1), card("thre"), grant, ""), asks(in(15), card("thre"), lockdown, ""), asks(in(15), card("five"), grant, ""), asks(in(18), card("thre"), grant, ""),
				asks(ms(20, -1), card("zero"), lockdown, ""), asks(in(20), card("zero"), grant, ""), asks(in(59), card("nine"), grant, "grant-nine"), asks(in(60), card("nine"), lockdown, "grant-nine"),
				asks(in(60), card("used"), stateUnknown, "grant-used"), asks(in(119), card("nine"), lockdown, "")}},
		{"lockdown-of-no-rank", "a lockdown of a rank that there is not, 0 or 11, admits nobody", []int{6, 7, 8, 13}, aDoor(func(d *lockwirev1.BundleDoor) {
			d.OpenSchedule, d.Lockdowns = 5, []*lockwirev1.BundleLockdown{{FromMs: minute(10), ToMs: minute(25)}, {Rank: 11, FromMs: minute(30), ToMs: minute(35)}}
		}), []*lockwirev1.BundleEntry{has("zero", right("grant-zero")), has("nine", ranked("grant-nine", 9)), has("bert")}, []decisionStep{
			asks(ms(10, -1), card("zero"), grant, ""), asks(in(10), card("zero"), lockdown, "grant-zero"), asks(in(10), card("nine"), lockdown, "grant-nine"),
			asks(in(10), card("bert"), lockdown, "credential-bert"), asks(in(20), card("zero"), lockdown, ""), asks(in(25), card("zero"), grant, ""),
			asks(in(30), card("nine"), lockdown, ""), asks(in(35), card("nine"), grant, "")}},
		{"lockdown-without-clock", "without a clock every lockdown holds, also one that has ended or not begun", []int{5, 6},
			aDoor(func(d *lockwirev1.BundleDoor) {
				lockdowns(d)
				d.AfterBudget = lockwirev1.AfterBudget_AFTER_BUDGET_KEEP_GOING
			}), []*lockwirev1.BundleEntry{has("nine", ranked("grant-nine", 9))}, []decisionStep{
				asks(noClock(0), card("nine"), lockdown, ""), asks(in(-3), card("nine"), lockdown, "")}},
	}
}
