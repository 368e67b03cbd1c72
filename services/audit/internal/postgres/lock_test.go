package postgres_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/audit/internal/ledger"
	"github.com/cardea-mesh/cardea/services/audit/internal/postgres"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"pgregory.net/rapid"
)

// Two locks' events arrive in any order, some twice; each lock's are read by pages in its own, as a sort and a filter would give them.
func testALocksEventsComeInTheLocksOrder(t *testing.T, database maker) {
	s := postgres.New(database(t).DB)
	id := ledger.ID{Org: newOrg(), Region: "eu-central"}
	device, other := region.NewID(region.Device, "euc"), region.NewID(region.Device, "euc")
	var all []ledger.Event
	for n := range 90 {
		e := event(id.Org, id.Region, n)
		e.Kind = []string{"access", "lock"}[n%2]
		e.Person = []region.ID{"", "person_euc_1"}[n/2%2]
		switch {
		case n < 60: // numbers 8 to 12 in boot epochs 9 to 12: in the order of text they would come otherwise
			e.Device, e.Lock = device, ledger.Place{Epoch: int64(9 + n/15), Sequence: int64(1 + n%15)}
		case n < 80:
			e.Device, e.Lock = other, ledger.Place{Epoch: 10, Sequence: int64(n)}
		}
		all = append(all, e)
	}
	order := rand.New(rand.NewPCG(1, 2)).Perm(len(all))
	var arrived []ledger.Event
	for _, n := range order {
		arrived = append(arrived, all[n])
	}
	if n, err := s.Append(t.Context(), id.Region, append(arrived, arrived[:20]...), noon); err != nil || n != len(all) {
		t.Fatal(n, err)
	}
	rapid.Check(t, func(t *rapid.T) {
		f := postgres.Filter{
			Kind: rapid.SampledFrom([]string{"", "access"}).Draw(t, "kind"), Person: rapid.SampledFrom([]region.ID{"", "person_euc_1"}).Draw(t, "person"),
			From: noon.Add(time.Duration(rapid.IntRange(0, 50).Draw(t, "from")) * time.Minute),
		}
		of := rapid.SampledFrom([]region.ID{device, other}).Draw(t, "device")
		limit := rapid.IntRange(1, 25).Draw(t, "page")
		want := slices.DeleteFunc(slices.Clone(all), func(e ledger.Event) bool {
			return e.Device != of || f.Kind != "" && e.Kind != f.Kind || f.Person != "" && e.Person != f.Person || e.OccurredAt.Before(f.From)
		})
		slices.SortFunc(want, func(a, b ledger.Event) int {
			return cmp.Or(cmp.Compare(b.Lock.Epoch, a.Lock.Epoch), cmp.Compare(b.Lock.Sequence, a.Lock.Sequence))
		})
		var got []postgres.FoundOfLock
		var before ledger.Place
		for next := &before; next != nil; {
			found, after, err := s.QueryLock(t.Context(), id, of, f, before, limit)
			if err != nil || after != nil && len(found) != limit {
				t.Fatalf("%d found of %d, %v", len(found), limit, err)
			}
			if next = after; next != nil {
				before = found[limit-1].Lock
				if i := len(got) + limit; want[i].Lock != *next {
					t.Fatalf("next is %v, want %v", *next, want[i].Lock)
				}
			}
			got = append(got, found...)
		}
		if len(got) != len(want) {
			t.Fatalf("%d found, want %d", len(got), len(want))
		}
		for i, e := range want {
			if got[i].Lock != e.Lock || string(got[i].Body) != string(e.Body) || arrived[got[i].Position].ID != e.ID {
				t.Fatalf("%d: %+v, want %s at %v", i, got[i], e.ID, e.Lock)
			}
		}
	})
	elsewhere := ledger.ID{Org: newOrg(), Region: id.Region}
	if found, next, err := s.QueryLock(t.Context(), elsewhere, device, postgres.Filter{}, ledger.Place{}, 10); err != nil || next != nil || len(found) != 0 {
		t.Fatalf("another organization's ledger answered %v, %v, %v", found, next, err)
	}
}
