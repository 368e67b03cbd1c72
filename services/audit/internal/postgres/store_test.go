package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/audit/internal/ledger"
	"github.com/cardea-mesh/cardea/services/audit/internal/postgres"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func newOrg() region.ID { return region.NewID(region.Organization, "euc") }

// event number n of an organization.
func event(org region.ID, in region.Name, n int) ledger.Event {
	id := fmt.Sprintf("event_%d", n)
	body, err := proto.Marshal(&typev1.Event{Id: id, OrgId: string(org), Region: string(in), Kind: "access"})
	if err != nil {
		panic(err)
	}
	return ledger.Event{Org: org, ID: id, Body: body, Service: "device-gateway", Kind: "access", OccurredAt: noon.Add(time.Duration(n) * time.Minute)}
}

// verified reads a whole ledger by pages, checks it, and returns the ids of its events.
func verified(t interface{ Fatal(...any) }, s *postgres.Store, id ledger.ID, page int) []string {
	walk := ledger.NewVerifier(id)
	var ids []string
	for {
		entries, head, err := s.Entries(context.Background(), id, walk.Head().Size, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if err := walk.Add(e); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, e.EventID)
		}
		if len(entries) == 0 || walk.Head().Size == head.Size {
			if err := walk.End(head); err != nil {
				t.Fatal(err)
			}
			return ids
		}
	}
}

// Whatever is given, in whatever batches, with whatever repeated: each event is in its own ledger once, in the order of its
// first coming, and the chain verifies.
func testRandomBatchesMakeChainsThatVerify(t *testing.T, database maker) {
	s := postgres.New(database(t).DB)
	rapid.Check(t, func(t *rapid.T) {
		orgs := []region.ID{newOrg(), newOrg(), newOrg()}
		regions := []region.Name{"eu-central", "eu-west"}
		want := map[ledger.ID][]string{}
		for range rapid.IntRange(1, 6).Draw(t, "batches") {
			in := rapid.SampledFrom(regions).Draw(t, "region")
			var batch []ledger.Event
			fresh := 0
			for range rapid.IntRange(0, 8).Draw(t, "events") {
				e := event(rapid.SampledFrom(orgs).Draw(t, "org"), in, rapid.IntRange(0, 9).Draw(t, "event"))
				batch = append(batch, e)
				if id := (ledger.ID{Org: e.Org, Region: in}); !slices.Contains(want[id], e.ID) {
					want[id] = append(want[id], e.ID)
					fresh++
				}
			}
			if n, err := s.Append(t.Context(), in, batch, noon.Add(123456789)); err != nil || n != fresh {
				t.Fatalf("%d appended, want %d: %v", n, fresh, err)
			}
		}
		for _, org := range orgs {
			for _, in := range regions {
				id := ledger.ID{Org: org, Region: in}
				if got := verified(t, s, id, 3); !slices.Equal(got, want[id]) {
					t.Fatalf("%v holds %v, want %v", id, got, want[id])
				}
			}
		}
	})
}

// Several instances append overlapping events to the same ledgers at once.
func testWritersAtOnceAppendEachEventOnce(t *testing.T, database maker) {
	s := postgres.New(database(t).DB)
	orgs := []region.ID{newOrg(), newOrg()}
	const writers, perWriter = 4, 30
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := 0; n < perWriter; n += 3 {
				var batch []ledger.Event
				for i := range 6 { // every event comes from two writers or more
					batch = append(batch, event(orgs[(n+i+w)%2], "eu-central", n+i))
				}
				if _, err := s.Append(t.Context(), "eu-central", batch, noon); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	for _, org := range orgs {
		ids := verified(t, s, ledger.ID{Org: org, Region: "eu-central"}, 1000)
		slices.Sort(ids)
		if want := slices.Compact(slices.Clone(ids)); len(want) != len(ids) || len(ids) != perWriter+3 {
			t.Fatalf("%d entries, %d different, want %d", len(ids), len(want), perWriter+3)
		}
	}
}

func testAnEmptyLedgerHasTheZeroHead(t *testing.T, database maker) {
	s := postgres.New(database(t).DB)
	id := ledger.ID{Org: newOrg(), Region: "eu-west"}
	if head, err := s.Head(t.Context(), id); err != nil || head != (ledger.Head{}) {
		t.Fatalf("%v, %v", head, err)
	}
	if ids := verified(t, s, id, 10); len(ids) != 0 {
		t.Fatal(ids)
	}
}

// The service's own role cannot rewrite what it wrote; nor can it drop the tables, since it does not own them.
func testTheServiceCannotChangeOrDeleteWhatItWrote(t *testing.T, database maker) {
	db := database(t).DB
	s := postgres.New(db)
	if _, err := s.Append(t.Context(), "eu-central", []ledger.Event{event(newOrg(), "eu-central", 1)}, noon); err != nil {
		t.Fatal(err)
	}
	if err := s.Park(t.Context(), "eu-central", postgres.Parked{Subject: "x", Why: errors.New("y")}, noon); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`UPDATE ledger_entries SET hash = previous_hash`, `DELETE FROM ledger_entries`, `TRUNCATE ledger_entries`, `DROP TABLE ledger_entries`,
		`UPDATE ledger_bodies SET body = ''`, `DELETE FROM ledger_bodies`, `TRUNCATE ledger_bodies`, `DROP TABLE ledger_bodies`,
		`DELETE FROM ledger_heads`, `TRUNCATE ledger_heads`,
		`UPDATE parked_events SET error = ''`, `DELETE FROM parked_events`,
	} {
		if _, err := db.Pool().Exec(t.Context(), sql); err == nil {
			t.Errorf("the service may do: %s", sql)
		}
	}
}

// Retention removes bodies, as the tables' owner here; the chain still verifies and queries no longer find them.
func testAChainVerifiesWithoutItsBodies(t *testing.T, database maker) {
	made := database(t)
	s := postgres.New(made.DB)
	id := ledger.ID{Org: newOrg(), Region: "eu-central"}
	var events []ledger.Event
	for n := range 10 {
		events = append(events, event(id.Org, id.Region, n))
	}
	if _, err := s.Append(t.Context(), id.Region, events, noon); err != nil {
		t.Fatal(err)
	}
	owner := open(t, made, made.OwnerURL)
	if _, err := owner.Pool().Exec(t.Context(), `DELETE FROM ledger_bodies WHERE position IN (0, 4, 9)`); err != nil {
		t.Fatal(err)
	}
	if ids := verified(t, s, id, 4); len(ids) != 10 {
		t.Fatal(ids)
	}
	if found, more, err := s.Query(t.Context(), id, postgres.Filter{}, 0, 100); err != nil || len(found) != 7 || more {
		t.Fatalf("%d found, more %t, %v", len(found), more, err)
	}
}

// A page of large bodies ends early and says that there is more.
func testLargeBodiesShortenAPageAndLoseNothing(t *testing.T, database maker) {
	s := postgres.New(database(t).DB)
	id := ledger.ID{Org: newOrg(), Region: "eu-central"}
	for n := range 5 {
		e := event(id.Org, id.Region, n)
		large, _ := proto.Marshal(&typev1.Event{Id: e.ID, OrgId: string(id.Org), Region: string(id.Region), Payload: make([]byte, 900_000)})
		e.Body = large
		if _, err := s.Append(t.Context(), id.Region, []ledger.Event{e}, noon); err != nil {
			t.Fatal(err)
		}
	}
	if page, _, err := s.Entries(t.Context(), id, 0, 100); err != nil || len(page) != 3 {
		t.Fatalf("%d entries, %v", len(page), err)
	}
	if ids := verified(t, s, id, 100); len(ids) != 5 {
		t.Fatal(ids)
	}
	page, more, err := s.Query(t.Context(), id, postgres.Filter{}, 0, 100)
	if err != nil || len(page) != 3 || !more {
		t.Fatalf("%d found, more %t, %v", len(page), more, err)
	}
	if page, more, err = s.Query(t.Context(), id, postgres.Filter{}, page[2].Position, 100); err != nil || len(page) != 2 || more {
		t.Fatalf("%d found, more %t, %v", len(page), more, err)
	}
}

func testParkingTwiceKeepsOne(t *testing.T, database maker) {
	db := database(t).DB
	s := postgres.New(db)
	for range 2 {
		err := s.Park(t.Context(), "eu-central", postgres.Parked{Subject: "a\xff\x00", Data: []byte{0, 0xff}, Why: errors.New("b\x00")}, noon)
		if err != nil {
			t.Fatal(err)
		}
	}
	var n int
	var data []byte
	if err := db.Pool().QueryRow(t.Context(), `SELECT count(*) OVER (), data FROM parked_events`).Scan(&n, &data); err != nil {
		t.Fatal(err)
	}
	if n != 1 || !slices.Equal(data, []byte{0, 0xff}) {
		t.Fatalf("%d parked, data %x", n, data)
	}
}

func testDataThatTheDatabaseRefusesIsTold(t *testing.T, database maker) {
	s := postgres.New(database(t).DB)
	e := event(newOrg(), "eu-central", 1)
	e.Kind = "nul\x00"
	if _, err := s.Append(t.Context(), "eu-central", []ledger.Event{e}, noon); !postgres.Refused(err) {
		t.Fatalf("got %v", err)
	}
	if ids := verified(t, s, ledger.ID{Org: e.Org, Region: "eu-central"}, 10); len(ids) != 0 {
		t.Fatal("half written:", ids)
	}
}

// Every filter against the same filter done by hand, page by page, while new entries arrive.
func testQueriesFindWhatAPlainFilterFinds(t *testing.T, database maker) {
	s := postgres.New(database(t).DB)
	id := ledger.ID{Org: newOrg(), Region: "eu-central"}
	doors := []region.ID{"", "door_euc_1", "door_euc_2"}
	people := []region.ID{"", "person_euc_1", "person_euc_2"}
	kinds := []string{"access", "lock", "grant_created"}
	var all []ledger.Event
	for n := range 60 {
		e := event(id.Org, id.Region, n)
		e.Door, e.Person, e.Kind = doors[n%3], people[(n/3)%3], kinds[(n/9)%3]
		e.OccurredAt = noon.Add(time.Duration((n*37)%60) * time.Minute) // not in the order of arrival
		all = append(all, e)
	}
	if _, err := s.Append(t.Context(), id.Region, all, noon); err != nil {
		t.Fatal(err)
	}
	late := 0
	rapid.Check(t, func(t *rapid.T) {
		f := postgres.Filter{
			Door:   rapid.SampledFrom(doors).Draw(t, "door"),
			Person: rapid.SampledFrom(people).Draw(t, "person"),
			Kind:   rapid.SampledFrom(append(kinds, "")).Draw(t, "kind"),
		}
		if rapid.Bool().Draw(t, "from") {
			f.From = noon.Add(time.Duration(rapid.IntRange(-5, 65).Draw(t, "from minute")) * time.Minute)
		}
		if rapid.Bool().Draw(t, "to") {
			f.To = noon.Add(time.Duration(rapid.IntRange(-5, 65).Draw(t, "to minute")) * time.Minute)
		}
		var want []int64
		for n, e := range slices.Backward(all) {
			if (f.Door == "" || f.Door == e.Door) && (f.Person == "" || f.Person == e.Person) && (f.Kind == "" || f.Kind == e.Kind) &&
				!e.OccurredAt.Before(f.From) && (f.To.IsZero() || e.OccurredAt.Before(f.To)) {
				want = append(want, int64(n))
			}
		}
		var got []int64
		limit := rapid.IntRange(1, 25).Draw(t, "page")
		for before, more := int64(60), true; more; {
			found, again, err := s.Query(t.Context(), id, f, before, limit)
			if err != nil || again && len(found) != limit {
				t.Fatalf("%d found of %d, %v", len(found), limit, err)
			}
			for _, e := range found {
				got = append(got, e.Position)
				before = e.Position
			}
			more = again
			if rapid.Bool().Draw(t, "one arrives") {
				late++
				if _, err := s.Append(t.Context(), id.Region, []ledger.Event{event(id.Org, id.Region, 1000+late)}, noon); err != nil {
					t.Fatal(err)
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%+v found %v, want %v", f, got, want)
		}
	})
	other := ledger.ID{Org: id.Org, Region: "eu-west"}
	if found, more, err := s.Query(t.Context(), other, postgres.Filter{}, 0, 10); err != nil || more || len(found) != 0 {
		t.Fatalf("the ledger of another region answered %v, %t, %v", found, more, err)
	}
}
