package policy_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
	"pgregory.net/rapid"
)

// world is a small organization as lists, and the simple model that answers from them.
type world struct {
	doors   []policy.Door
	members [][2]string // group, member
	grants  []policy.Grant
}

// now is the moment of all questions; grants are valid from and to a day around it.
var now = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// The schedules of the model's world: one that always holds, one that never does; a
// third name is missing from the facts.
var schedules = []policy.ScheduleID{"", "always", "never", "missing"}

func drawWorld(t *rapid.T) world {
	groups := []string{"g1", "g2", "g3", "g4", "g5"}
	var w world
	for _, id := range []policy.DoorID{"d1", "d2"} {
		zones := rapid.SliceOfNDistinct(rapid.SampledFrom([]policy.ZoneID{"z1", "z2"}), 0, 2, rapid.ID).Draw(t, "zones")
		w.doors = append(w.doors, policy.Door{ID: id, Zones: zones})
	}
	for range rapid.IntRange(0, 10).Draw(t, "memberships") {
		w.members = append(w.members, [2]string{
			rapid.SampledFrom(groups).Draw(t, "group"),
			rapid.SampledFrom(append([]string{"p1", "p2"}, groups...)).Draw(t, "member"), // cycles too
		})
	}
	moments := []time.Time{{}, now.AddDate(0, 0, -1), now, now.Add(1), now.AddDate(0, 0, 1)}
	ids := rapid.Permutation([]string{"a", "b", "c", "d", "e", "f"}).Draw(t, "ids")
	for _, id := range ids[:rapid.IntRange(0, len(ids)).Draw(t, "grants")] {
		w.grants = append(w.grants, policy.Grant{
			ID:        policy.GrantID(id),
			Subject:   policy.SubjectID(rapid.SampledFrom(append([]string{"p1", "p2"}, groups...)).Draw(t, "subject")),
			Target:    rapid.SampledFrom([]policy.TargetID{"d1", "d2", "z1", "z2"}).Draw(t, "target"),
			Schedule:  rapid.SampledFrom(schedules).Draw(t, "schedule"),
			ValidFrom: rapid.SampledFrom(moments).Draw(t, "from"),
			ValidTo:   rapid.SampledFrom(moments).Draw(t, "to"),
		})
	}
	return w
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
	shuffle(len(w.doors), func(i int) { facts.AddDoor(w.doors[i]) })
	shuffle(len(w.members), func(i int) {
		facts.AddMember(policy.GroupID(w.members[i][0]), policy.SubjectID(w.members[i][1]))
	})
	shuffle(len(w.grants), func(i int) { facts.AddGrant(w.grants[i]) })
	var allWeek []policy.WeeklyInterval
	for day := 1; day <= 7; day++ {
		allWeek = append(allWeek, policy.WeeklyInterval{Weekday: day, EndMinute: 1440})
	}
	for id, weekly := range map[policy.ScheduleID][]policy.WeeklyInterval{"always": allWeek, "never": nil} {
		schedule, err := policy.NewSchedule("Europe/Madrid", policy.ScheduleSpec{Weekly: weekly})
		if err != nil {
			t.Fatal(err)
		}
		facts.AddSchedule(id, schedule)
	}
	return facts
}

// isIn walks the memberships downwards, the other way round than policy does.
func (w world) isIn(subject, person string, path []string) bool {
	if subject == person {
		return true
	}
	if slices.Contains(path, subject) {
		return false
	}
	for _, m := range w.members {
		if m[0] == subject && w.isIn(m[1], person, append(path, subject)) {
			return true
		}
	}
	return false
}

// decide sorts everything that names the person and the door and takes the first.
func (w world) decide(person policy.PersonID, door policy.Door) policy.Decision {
	order := []policy.Reason{policy.ReasonGrant, policy.ReasonBrokenFacts, policy.ReasonOutsideSchedule, policy.ReasonNotYetValid, policy.ReasonExpired}
	var all []policy.Decision
	for _, g := range w.grants {
		if !w.isIn(string(g.Subject), string(person), nil) {
			continue
		}
		if string(g.Target) != string(door.ID) && !slices.Contains(door.Zones, policy.ZoneID(g.Target)) {
			continue
		}
		d := policy.Decision{Outcome: policy.Denied, Grant: g.ID, Schedule: g.Schedule}
		switch {
		case now.Before(g.ValidFrom):
			d.Reason, d.Schedule = policy.ReasonNotYetValid, ""
		case !g.ValidTo.IsZero() && !g.ValidTo.After(now):
			d.Reason, d.Schedule = policy.ReasonExpired, ""
		case g.Schedule == "missing":
			d.Reason = policy.ReasonBrokenFacts
		case g.Schedule == "never":
			d.Reason = policy.ReasonOutsideSchedule
		default:
			d.Outcome, d.Reason = policy.Granted, policy.ReasonGrant
		}
		all = append(all, d)
	}
	if len(all) == 0 {
		return policy.Decision{Outcome: policy.Denied, Reason: policy.ReasonNoGrant}
	}
	slices.SortFunc(all, func(a, b policy.Decision) int {
		if i, j := slices.Index(order, a.Reason), slices.Index(order, b.Reason); i != j {
			return i - j
		}
		return strings.Compare(string(a.Grant), string(b.Grant))
	})
	return all[0]
}

func TestDecideAgainstModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		facts := w.facts(t)
		for _, person := range []policy.PersonID{"p1", "p2", "stranger"} {
			for _, door := range w.doors {
				req := policy.Request{Door: door.ID, Person: person}
				got, want := policy.Decide(req, facts, policy.State{}, now), w.decide(person, door)
				if !reflect.DeepEqual(got, want) {
					t.Fatalf("%s at %s:\n got %+v\nwant %+v", person, door.ID, got, want)
				}
			}
		}
	})
}
