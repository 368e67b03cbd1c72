package postgres_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// Lists are merged from groups and zones, a few of each at a time. However many of a page come from one of them, and however
// the pages fall, all together are everybody, once, in order; and nobody whose grants' schedules exclude the time.
func TestPagesOfThePastAreComplete(t *testing.T) {
	w := newWorld(t, newDB(t))
	random := rand.New(rand.NewPCG(7, 7))
	never := w.schedule(t)
	var groups, people, doors, zones []region.ID
	for range 10 {
		groups = append(groups, w.group(t, central))
	}
	for range 60 {
		people = append(people, region.NewID(region.Person, "euc"))
	}
	for range 30 {
		doors = append(doors, w.door(t))
	}
	slices.Sort(people)
	slices.Sort(doors)
	give := func(target, subject, schedule region.ID) {
		t.Helper()
		if _, err := w.grant(t.Context(), "", grants.Grant{Target: target, Subject: subject, Schedule: schedule}); err != nil {
			t.Fatal(err)
		}
	}
	join := func(group, member region.ID) {
		t.Helper()
		if _, err := w.member(t.Context(), true, group, member); err != nil {
			t.Fatal(err)
		}
	}
	// The first half of the people are in the first group, and some of all in the others; the last group is shut out.
	admitted, shut := map[region.ID]bool{}, groups[len(groups)-1]
	for i, person := range people {
		if i < len(people)/2 {
			join(groups[0], person)
			admitted[person] = true
		}
		if other := random.IntN(len(groups)); other > 0 {
			join(groups[other], person)
			admitted[person] = admitted[person] || groups[other] != shut
		}
	}
	join(groups[1], groups[2]) // and this one needs no grant
	for i, group := range groups {
		switch {
		case group == shut:
			give(doors[0], group, never)
		case i != 2:
			give(doors[0], group, "")
		}
	}
	give(doors[0], people[59], "")
	admitted[people[59]] = true

	// One zone has the first half of the doors; three others have some; one is closed to the person.
	visitor := region.NewID(region.Person, "euc")
	opens := map[region.ID]bool{}
	for i := range 5 {
		inside := doors[1:15] // not the first door: the visitor is none of its people
		if i > 0 {
			inside = []region.ID{doors[1+random.IntN(29)], doors[15+i]}
		}
		zone := w.zone(t, inside)
		zones = append(zones, zone)
		if i == 4 {
			give(zone, visitor, never)
			continue
		}
		give(zone, visitor, "")
		for _, d := range inside {
			opens[d] = true
		}
	}
	give(doors[29], visitor, "")
	opens[doors[29]] = true

	moment := grants.Moment{At: time.Now().Add(time.Minute)}
	for _, limit := range []int{1, 2, 3, 7, 25} {
		w.pages(t, limit, among(people, admitted), func(ctx context.Context, r grants.Reader, after string) ([]region.ID, error) {
			return r.PeopleOf(ctx, w.org, doors[0], moment, after, limit)
		})
		w.pages(t, limit, among(doors, opens), func(ctx context.Context, r grants.Reader, after string) ([]region.ID, error) {
			return r.DoorsFor(ctx, w.org, visitor, central, moment, after, limit)
		})
	}
}

func among(all []region.ID, those map[region.ID]bool) []region.ID {
	return slices.DeleteFunc(slices.Clone(all), func(id region.ID) bool { return !those[id] })
}

// pages reads all of a list: each page but the last is full.
func (w *world) pages(t *testing.T, limit int, want []region.ID, list func(context.Context, grants.Reader, string) ([]region.ID, error)) {
	t.Helper()
	var all []region.ID
	for after := ""; ; after = string(all[len(all)-1]) {
		var page []region.ID
		err := w.Read(t.Context(), func(ctx context.Context, r grants.Reader) (err error) {
			page, err = list(ctx, r, after)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, page...); len(page) > limit {
			t.Fatalf("a page of %d has %d", limit, len(page))
		}
		if len(page) < limit {
			break
		}
	}
	if !slices.Equal(all, want) {
		t.Fatalf("in pages of %d:\n%v, wanted\n%v", limit, all, want)
	}
}

// schedule makes one that never holds.
func (w *world) schedule(t *testing.T) (id region.ID) {
	t.Helper()
	err := w.Write(t.Context(), w.plan(w.site), func(ctx context.Context, tx grants.Tx) error {
		made, err := w.CreateSchedule(ctx, tx, grants.Schedule{Org: w.org, Site: w.site, Name: "Never", Spec: policy.ScheduleSpec{}})
		id = made.ID
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (w *world) zone(t *testing.T, doors []region.ID) (id region.ID) {
	t.Helper()
	err := w.Write(t.Context(), w.plan(doors...), func(ctx context.Context, tx grants.Tx) error {
		made, err := w.CreateZone(ctx, tx, central, grants.Zone{Org: w.org, Name: "Zone", Doors: doors})
		id = made.ID
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}
