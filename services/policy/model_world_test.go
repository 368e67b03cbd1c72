package policy_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
	"pgregory.net/rapid"
)

// world is a small organization as lists.
type world struct {
	zones     []policy.Zone
	doors     []policy.Door
	members   [][2]string // group, member
	grants    []policy.Grant
	lockdowns []lockdown
}

type lockdown struct {
	target policy.TargetID
	policy.Lockdown
}

// now is a Monday; grants and lockdowns begin and end around it.
var now = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

var (
	people    = []string{"p1", "p2", "p3"}
	groups    = []string{"g1", "g2", "g3", "g4"}
	subjects  = append(append([]string{}, people...), groups...)
	zoneNames = []policy.ZoneID{"z1", "z2", "z3", "z4"}
	targets   = []policy.TargetID{"d1", "d2", "z1", "z2", "z3", "z4"}
	// hours are the schedules of the model's world, as hours and minutes of every day.
	hours = map[policy.ScheduleID][][2]int{
		"always": {{0, 1440}}, "never": {}, "am": {{480, 720}}, "pm": {{750, 900}, {840, 1080}, {1080, 1140}},
	}
)

// pick draws one of several; those that are listed twice are drawn more often.
func pick[T any](t *rapid.T, label string, of ...T) T { return rapid.SampledFrom(of).Draw(t, label) }

func drawWorld(t *rapid.T) world {
	var w world
	for _, id := range zoneNames {
		zone := policy.Zone{ID: id, Parents: rapid.SliceOfN(rapid.SampledFrom(zoneNames), 0, 2).Draw(t, "parents")} // cycles and doubles too
		if rapid.Bool().Draw(t, "border") {
			zone.AntiPassback = &policy.AntiPassback{
				Mode:       pick[policy.AntiPassbackMode](t, "mode", 0, 1, 1, 2, 2, 3),
				ResetAfter: pick(t, "reset", 0, time.Hour),
			}
		}
		if rapid.IntRange(0, 9).Draw(t, "known") > 0 {
			w.zones = append(w.zones, zone)
		}
	}
	for _, id := range []policy.DoorID{"d1", "d2"} {
		w.doors = append(w.doors, policy.Door{
			ID: id, Site: pick(t, "site", policy.SiteID(""), "s"), Rules: drawRules(t),
			Zones: rapid.SliceOfN(rapid.SampledFrom(zoneNames), 0, 2).Draw(t, "zones"),
		})
	}
	for range rapid.IntRange(0, 8).Draw(t, "memberships") {
		w.members = append(w.members, [2]string{pick(t, "group", groups...), pick(t, "member", subjects...)})
	}
	ids := rapid.Permutation([]string{"a", "b", "c", "d", "e", "f", "g", "h"}).Draw(t, "ids")
	for _, id := range ids[:rapid.IntRange(1, len(ids)).Draw(t, "grants")] {
		w.grants = append(w.grants, drawGrant(t, policy.GrantID(id)))
	}
	w.letIn(t)
	for _, id := range []policy.LockdownID{"l1", "l2", "l3"} {
		if rapid.IntRange(0, 2).Draw(t, "lockdown") > 0 {
			continue
		}
		w.lockdowns = append(w.lockdowns, lockdown{
			pick(t, "locked", append([]policy.TargetID{"s"}, targets...)...),
			policy.Lockdown{
				ID: id, Rank: pick(t, "rank", 0, 2, 2, 5, 10, 11),
				From: pick(t, "begins", time.Time{}, now), Until: pick(t, "ends", time.Time{}, now, now.Add(3*time.Hour)),
			},
		})
	}
	return w
}

// letIn adds grants that mostly hold, and shares of them, or little would happen.
func (w *world) letIn(t *rapid.T) {
	where := func() policy.TargetID { return pick[policy.TargetID](t, "where", "d1", "d1", "d1", "z1", "d2") }
	for _, person := range people[:2] {
		if rapid.IntRange(0, 3).Draw(t, "let in") > 0 {
			w.grants = append(w.grants, policy.Grant{
				ID: policy.GrantID("x" + person), Subject: policy.SubjectID(person), Target: where(),
				MaxUses: pick(t, "limit", 0, 0, 0, 2, 3), OverrideRank: pick(t, "overrides", 0, 5),
			})
		}
	}
	parent, sharer := "xp1", "p1"
	for i := range rapid.IntRange(0, 6).Draw(t, "shares") {
		id, recipient := fmt.Sprint("y", i), pick(t, "recipient", "p1", "p2", "p3", "p3")
		w.grants = append(w.grants, policy.Grant{
			ID: policy.GrantID(id), Subject: policy.SubjectID(recipient), Target: where(), SharedFrom: policy.GrantID(parent),
			Sharer: policy.PersonID(sharer), MaxUses: pick(t, "share's limit", 0, 0, 1), OverrideRank: pick(t, "share overrides", 0, 2, 5),
		})
		if rapid.IntRange(0, 4).Draw(t, "of the share") > 0 {
			parent, sharer = id, recipient
		}
	}
}

func drawRules(t *rapid.T) policy.DoorRules {
	schedule := func(label string, of ...policy.ScheduleID) policy.ScheduleID { return pick(t, label, of...) }
	rules := policy.DoorRules{
		AutoUnlock:      schedule("unlock", "", "", "", "am", "pm", "never", "missing"),
		TwoPersonWindow: pick(t, "window", 0, 0, 0, 30*time.Second, time.Minute, -time.Second),
	}
	if rapid.Bool().Draw(t, "first person") {
		rules.FirstPerson = &policy.FirstPerson{
			Subject: pick(t, "first", policy.SubjectID(""), "p1", "g1"), Schedule: schedule("pieces", "", "am", "pm", "pm", "always", "missing"),
			Grace: pick(t, "grace", 0, time.Hour, -time.Hour), HoldOthers: rapid.Bool().Draw(t, "hold"),
		}
	}
	if rapid.Bool().Draw(t, "second factor") {
		rules.SecondFactor = &policy.SecondFactor{Schedule: schedule("asked", "", "am", "never", "never", "missing")}
	}
	return rules
}

func drawGrant(t *rapid.T, id policy.GrantID) policy.Grant {
	moments := []time.Time{{}, {}, now.AddDate(0, 0, -1), now, now.Add(time.Hour)}
	g := policy.Grant{
		ID: id, Subject: policy.SubjectID(pick(t, "subject", subjects...)), Target: pick(t, "target", targets...),
		Schedule:  pick(t, "schedule", policy.ScheduleID(""), "", "", "always", "am", "never", "missing"),
		ValidFrom: pick(t, "from", moments...), ValidTo: pick(t, "to", append(moments, now.AddDate(0, 0, 2))...),
		MaxUses: pick(t, "uses", 0, 0, 0, 1, 2, -1), OverrideRank: pick(t, "override", 0, 0, 2, 5, 9, 10),
	}
	if rapid.IntRange(0, 2).Draw(t, "share") == 0 {
		g.SharedFrom = policy.GrantID(pick(t, "parent", "a", "b", "c", "d", "gone"))
		g.Sharer = policy.PersonID(pick(t, "sharer", "p1", "p2", "p3", ""))
	}
	return g
}

// facts are the world's, added in a drawn order.
func (w world) facts(t *rapid.T) *policy.Snapshot {
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0))
	shuffle := func(n int, add func(i int)) {
		for _, i := range random.Perm(n) {
			add(i)
		}
	}
	facts := policy.NewSnapshot()
	shuffle(len(w.zones), func(i int) { facts.AddZone(w.zones[i]) })
	shuffle(len(w.doors), func(i int) { facts.AddDoor(w.doors[i]) })
	shuffle(len(w.members), func(i int) {
		facts.AddMember(policy.GroupID(w.members[i][0]), policy.SubjectID(w.members[i][1]))
	})
	shuffle(len(w.grants), func(i int) { facts.AddGrant(w.grants[i]) })
	shuffle(len(w.lockdowns), func(i int) { facts.AddLockdown(w.lockdowns[i].target, w.lockdowns[i].Lockdown) })
	for id, pieces := range hours {
		var spec policy.ScheduleSpec
		for day := 1; day <= 7; day++ {
			for _, p := range pieces {
				spec.Weekly = append(spec.Weekly, policy.WeeklyInterval{Weekday: day, StartMinute: p[0], EndMinute: p[1]})
			}
		}
		schedule, err := policy.NewSchedule("UTC", spec)
		if err != nil {
			t.Fatal(err)
		}
		facts.AddSchedule(id, schedule)
	}
	return facts
}
