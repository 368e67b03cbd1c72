package exposure

import (
	"errors"
	"slices"
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundlestate"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

func nobody(string) bool { return false }

// after are the exposures to version 7, when nobody may confirm any more.
func (f *facts) after(t *testing.T) []Exposure {
	t.Helper()
	found, err := f.book(t).After(t.Context(), token(7), time.Now(), nobody)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestWhoIsExposed: each case changes the lock that is exposed.
func TestWhoIsExposed(t *testing.T) {
	t.Parallel()
	change := func(f *facts, id string, to func(s *gatewayv1.BundleState)) { to(f.records[id].State) }
	for name, c := range map[string]struct {
		change func(f *facts, id string)
		until  time.Time // of its exposure
		not    bool
	}{
		"it holds what was before the end": {func(*facts, string) {}, until, false},
		"it confirmed the end":             {func(f *facts, id string) { f.records[id] = confirmed(7) }, until, true},
		"nothing was taken away since that was made": {func(f *facts, id string) {
			f.records[id] = confirmed(5)
			f.reached[0].Taken = 5
		}, until, true},
		"nothing was taken away since, but it has not confirmed the end of something else": {func(f *facts, id string) {
			f.records[id] = confirmed(5)
			f.reached[0].Taken, f.takenElse = 5, 4
		}, until, false},
		"and what it holds is what it would get": {func(f *facts, id string) {
			f.records[id] = confirmed(5)
			f.reached[0].Taken, f.takenElse = 5, 4
			f.compiled.Content = hash
		}, until, true},
		"it confirmed the commit itself": {func(f *facts, id string) {
			f.records[id] = confirmed(7)
			f.takenElse = 4
		}, until, true},
		"nothing was ever taken away at its door": {func(f *facts, _ string) { f.reached[0].Taken = 0 }, until, true},
		"what it holds is what it would get":      {func(f *facts, _ string) { f.compiled.Content = hash }, until, true},
		"what it holds is that, of another time": {func(f *facts, _ string) {
			f.compiled.Content, f.compiled.NotAfter = hash, until.Add(time.Minute)
		}, until, false},
		"what it holds is that, but more is on its way": {func(f *facts, id string) {
			f.compiled.Content = hash
			change(f, id, func(s *gatewayv1.BundleState) { s.Version++ })
		}, until, false},
		"its door lets no lock decide any more, and it holds what it had": {func(f *facts, _ string) {
			f.compiled = access.OfflineBundle{Stamp: 3}
			f.compiled.Content = hash
		}, until, false},
		"its budget is over": {func(f *facts, id string) {
			change(f, id, func(s *gatewayv1.BundleState) { s.ExposedUntilMs = uint64(now.Add(-clockMargin).UnixMilli()) })
		}, until, true},
		"its budget is over by less than clocks may differ": {func(f *facts, id string) {
			change(f, id, func(s *gatewayv1.BundleState) {
				s.ExposedUntilMs = uint64(now.Add(time.Second - clockMargin).UnixMilli())
			})
		}, now.Add(time.Second - clockMargin), false},
		"it goes on after its budget": {func(f *facts, id string) {
			change(f, id, func(s *gatewayv1.BundleState) { s.ExposedUntilMs, s.KeepsGoing = 1, true })
		}, time.Time{}, false},
		"it was moved, and holds what its former door gave it": {func(f *facts, id string) {
			f.records[id] = confirmed(9)
			f.reached[0].Door = "door_euc_2"
		}, until, false},
		"it was revoked, and holds what it had": {func(f *facts, id string) {
			f.records[id] = confirmed(9)
			f.reached = nil
		}, until, false},
		"its record is lost": {func(f *facts, id string) {
			f.records[id] = bundlestate.Record{Began: region.ID(id).MadeAt().Add(time.Hour)}
		}, time.Time{}, false},
		"it is younger than the records, and has none": {func(f *facts, id string) {
			f.records[id] = bundlestate.Record{Began: region.ID(id).MadeAt().Add(-time.Hour)}
		}, until, true},
	} {
		t.Run(name, func(t *testing.T) {
			f, id := lock()
			c.change(f, id)
			want := []Exposure{{Device: id, Door: door, Until: c.until}}
			got := f.after(t)
			for i := range got {
				got[i].Until = got[i].Until.UTC()
			}
			switch {
			case c.not && len(got) > 0, !c.not && len(got) != 1:
				t.Fatalf("%v", got)
			case !c.not && f.records[id].Revision > 0 && !slices.Equal(got, want):
				t.Fatalf("got %v, want %v", got, want)
			}
			if !f.settled {
				t.Error("it was not asked whether memory has all records")
			}
		})
	}
}

// A lock of another region is judged by that region's records, which are read there.
func TestALockOfAnotherRegionIsReadThere(t *testing.T) {
	t.Parallel()
	f, id := lock()
	other := string(region.NewID(region.Device, "euw"))
	f.reached[0].Device, f.records = other, map[string]bundlestate.Record{other: f.records[id]}
	if got := f.after(t); len(got) != 1 || got[0].Device != other || f.elsewhere != 1 {
		t.Fatalf("%v, %d reads", got, f.elsewhere)
	}
	if page, _, err := f.book(t).List(t.Context(), "org", "eu-west", "", 10); err != nil || len(page) != 1 {
		t.Fatalf("%v, %v", page, err)
	}
	f.reached, f.revoked, f.elsewhere = nil, []string{other}, 0
	if got := f.after(t); len(got) != 1 || got[0].Device != other || got[0].Door != door || f.elsewhere != 1 {
		t.Fatalf("revoked: %v, %d reads", got, f.elsewhere)
	}
	if page, _, err := f.book(t).List(t.Context(), "org", "eu-west", "", 10); err != nil || len(page) != 1 {
		t.Fatalf("revoked: %v, %v", page, err)
	}
	f.broken = errors.New("the router is away")
	if got, err := f.book(t).After(t.Context(), token(7), time.Now(), nobody); !errors.Is(err, f.broken) {
		t.Fatalf("what cannot be read is no empty list: %v, %v", got, err)
	}
}

// Whoever may confirm is waited for, as long as there is time; who may not is listed at once.
func TestALockThatMayConfirmIsWaitedFor(t *testing.T) {
	t.Parallel()
	f, id := lock()
	looks := 0
	f.paused = func() {
		if looks++; looks == 1 {
			close(f.changed)
		} else {
			f.records[id] = confirmed(7)
		}
	}
	got, err := f.book(t).After(t.Context(), token(7), time.Now().Add(time.Minute), func(device string) bool { return device == id })
	if err != nil || len(got) != 0 || looks != 2 {
		t.Fatalf("%v, %v, after %d looks", got, err, looks)
	}
	f, id = lock()
	got, err = f.book(t).After(t.Context(), token(7), time.Now().Add(time.Hour), nobody)
	if err != nil || len(got) != 1 || got[0].Device != id {
		t.Fatalf("%v, %v", got, err)
	}
}

// Before the copy follows changes nothing can be said.
func TestACopyThatIsBeingLoadedSaysNothing(t *testing.T) {
	t.Parallel()
	f, _ := lock()
	f.behind = true
	if f.book(t).Has(token(7)) {
		t.Error("it does not know what has changed")
	}
	if _, _, err := f.book(t).List(t.Context(), "org", here, "", 10); !errors.Is(err, ErrNotReady) {
		t.Errorf("%v", err)
	}
	f.behind = false
	if b := f.book(t); !b.Has(token(9)) || b.Has(token(10)) {
		t.Error("it has 9 versions")
	}
}

// A list goes on after the page's last device, has who was revoked, and leaves out what concerns other homes.
func TestAListIsReadPageByPage(t *testing.T) {
	t.Parallel()
	f, id := lock()
	f.reached = append(f.reached, access.Reached{Device: string(region.NewID(region.Device, "euw")), Door: door, Taken: 7})
	for range 4 { // they were revoked
		f.records[string(region.NewID(region.Device, "euc"))] = confirmed(9)
	}
	var all []string
	for after, pages := "", 0; pages == 0 || after != ""; pages++ {
		page, next, err := f.book(t).List(t.Context(), "org", here, after, 2)
		if err != nil || len(page) > 2 || pages > 3 {
			t.Fatalf("%v, %v, page %d", page, err, pages)
		}
		for _, e := range page {
			all = append(all, e.Device)
		}
		after = next
	}
	if len(all) != 5 || !slices.IsSorted(all) || !slices.Contains(all, id) {
		t.Fatalf("%v", all)
	}
	f.reached[0].Taken = 0
	if page, _, err := f.book(t).List(t.Context(), "org", here, "", 10); err != nil || len(page) != 4 {
		t.Fatalf("%v, %v", page, err)
	}
}

// One that was waited for in vain is not waited for again, until it is given something.
func TestASilentLockIsWaitedForOnce(t *testing.T) {
	t.Parallel()
	f, id := lock()
	b := f.book(t)
	everybody := func(string) bool { return true }
	looks := 0
	f.paused = func() { looks++ }
	after := func(until time.Duration) {
		t.Helper()
		if got, err := b.After(t.Context(), token(7), time.Now().Add(until), everybody); err != nil || len(got) != 1 {
			t.Fatalf("%v, %v", got, err)
		}
	}
	after(silentAfter)
	looks = 0
	after(20 * time.Second) // at once
	if looks != 1 {
		t.Fatalf("looked at %d times", looks)
	}
	given := f.records[id]
	given.Revision++
	f.records[id] = given
	f.paused = func() {
		if looks++; looks == 2 {
			close(f.changed)
		} else { // it is waited for again, and confirms
			f.records[id] = confirmed(7)
		}
	}
	if got, err := b.After(t.Context(), token(7), time.Now().Add(20*time.Second), everybody); err != nil || len(got) != 0 {
		t.Fatalf("%v, %v", got, err)
	}
}
