package projection_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/permissions/internal/projection"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// facts are the model's, as policy asks for them.
func (m *model) facts() *policy.Snapshot {
	facts := policy.NewSnapshot()
	for door, there := range m.doors {
		if !there {
			continue
		}
		d := policy.Door{ID: policy.DoorID(door), Site: policy.SiteID(m.site)}
		for _, zone := range m.zones {
			if m.zoneDoor[[2]region.ID{zone, door}] {
				d.Zones = append(d.Zones, policy.ZoneID(zone))
			}
		}
		facts.AddDoor(d)
	}
	for _, zone := range m.zones {
		z := policy.Zone{ID: policy.ZoneID(zone)}
		for _, parent := range m.zones {
			if m.zoneZone[[2]region.ID{parent, zone}] {
				z.Parents = append(z.Parents, policy.ZoneID(parent))
			}
		}
		facts.AddZone(z)
	}
	for pair, in := range m.member {
		if in[central] || in[west] {
			facts.AddMember(policy.GroupID(pair[0]), policy.SubjectID(pair[1]))
		}
	}
	for _, l := range m.lets {
		facts.AddGrant(policy.Grant{
			ID: policy.GrantID(l.id), Subject: policy.SubjectID(l.subject), Target: policy.TargetID(l.target),
			Schedule: policy.ScheduleID(l.schedule), ValidFrom: l.from, ValidTo: l.to, OverrideRank: l.rank,
		})
	}
	for one, l := range m.lockdowns {
		facts.AddLockdown(policy.TargetID(m.locked[one]), l)
	}
	for schedule, spec := range m.specs {
		spec.Holidays = m.holidays[m.observes[schedule]]
		if made, err := policy.NewSchedule("UTC", spec); err == nil {
			facts.AddSchedule(policy.ScheduleID(schedule), made)
		}
	}
	return facts
}

// Random commits in two regions, seen by an instance that pulls after each, by one that pulls sometimes, and by one that
// loads at the end. Each must be as the model: every decision, every list, every role; and the two that pulled must be as
// one that loaded, to the last entry.
func TestRandomCommitsComeToTheSameByEveryWay(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	store := newStore(t, db.DB)
	each, some := newInstance(t, store, nil), newInstance(t, store, nil)
	rapid.Check(t, func(rt *rapid.T) {
		s, m := newScribe(db.DB), newModel()
		tokens := []grants.Token{s.write(t, central, func(c *commit) {
			c.site(m.site)
			for _, zone := range m.zones {
				c.zone(zone, m.site)
			}
		})}
		for n := range rapid.IntRange(1, 25).Draw(rt, "commits") {
			home, write := m.change(rt)
			tokens = append(tokens[max(0, len(tokens)-1):], s.write(t, home, write))
			m.check(t, rt, each, s.org, tokens)
			if n%5 == 4 {
				m.check(t, rt, some, s.org, tokens)
			}
		}
		m.check(t, rt, some, s.org, tokens)
		late := newInstance(t, store, nil)
		m.check(t, rt, late, s.org, tokens)
		want, err := late.View(t.Context(), s.org, tokens)
		if err != nil {
			rt.Fatal(err)
		}
		for _, i := range []*instance{each, some} {
			if got, err := i.View(t.Context(), s.org, tokens); err != nil || projection.Differs(got, want) != "" {
				rt.Fatalf("%s differs from what is loaded, %v", projection.Differs(got, want), err)
			}
		}
	})
}

// check compares everything that can be asked.
func (m *model) check(t *testing.T, rt *rapid.T, i *instance, org region.ID, tokens []grants.Token) {
	view, err := i.View(t.Context(), org, tokens)
	if err != nil {
		rt.Fatal(err)
	}
	facts, at := m.facts(), grants.Now(time.Now(), view.Latest())
	admitted := map[string]bool{}
	for door := range m.doors {
		for _, person := range m.people {
			q := grants.Question{Door: door, Person: person}
			got, want := q.Decide(view.Facts(), at), q.Decide(facts, at)
			if !reflect.DeepEqual(got, want) {
				rt.Fatalf("%s at %s: %+v, want %+v", person, door, got, want)
			}
			if want.Reason == policy.ReasonGrant {
				admitted[string(person)+" "+string(door)] = true
			}
		}
	}
	m.checkLists(rt, view, at, admitted)
	for _, person := range append(slices.Clone(m.groups), m.people...) {
		var got, want []string
		for _, r := range view.Roles(policy.SubjectID(person)) {
			got = append(got, fmt.Sprint(r.ID, r.Role))
		}
		for one, r := range m.roles {
			if m.roleOf[one] == person {
				want = append(want, fmt.Sprint(r.ID, r.Role))
			}
		}
		if slices.Sort(want); !slices.Equal(got, want) {
			rt.Fatalf("roles of %s: %v, want %v", person, got, want)
		}
	}
}

func (m *model) checkLists(rt *rapid.T, view projection.View, at time.Time, admitted map[string]bool) {
	listed := map[string]bool{}
	note := func(person, door string) {
		q := grants.Question{Door: region.ID(door), Person: region.ID(person)}
		if q.Decide(view.Facts(), at).Reason == policy.ReasonGrant {
			listed[person+" "+door] = true
		}
	}
	for _, person := range m.people {
		last := ""
		for _, home := range []region.Code{"euc", "euw"} {
			for door := range view.Doors(person, home, "") {
				if string(door) <= last || region.ID(door).Code() != home {
					rt.Fatalf("%s after %s in %s", door, last, home)
				}
				last = string(door)
				note(string(person), last)
				m.checkRest(rt, view, person, last)
			}
		}
	}
	if !maps.Equal(listed, admitted) {
		rt.Fatalf("doors listed %v, want %v", listed, admitted)
	}
	clear(listed)
	for door, there := range m.doors {
		for person := range view.People(door, "") {
			if there {
				note(string(person), string(door))
			}
		}
	}
	if !maps.Equal(listed, admitted) {
		rt.Fatalf("people listed %v, want %v", listed, admitted)
	}
}

// checkRest: a list that goes on after an id is the rest of the list.
func (m *model) checkRest(rt *rapid.T, view projection.View, person region.ID, after string) {
	home := region.ID(after).Code()
	all, rest := slices.Collect(view.Doors(person, home, "")), slices.Collect(view.Doors(person, home, after))
	at := slices.IndexFunc(all, func(d policy.DoorID) bool { return strings.Compare(string(d), after) > 0 })
	if at < 0 {
		at = len(all)
	}
	if !slices.Equal(all[at:], rest) {
		rt.Fatalf("after %s: %v of %v", after, rest, all)
	}
}
