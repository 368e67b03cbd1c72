package projection_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/permissions/internal/projection"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

func id(kind region.Kind) region.ID  { return region.NewID(kind, "euc") }
func inWest(k region.Kind) region.ID { return region.NewID(k, "euw") }
func fresh() (door, site, person, group, grant region.ID) {
	return id(region.Door), id(region.Site), id(region.Person), id(region.Group), id(region.Grant)
}

// A door, a group with a person, and a grant between them.
func simple(t testing.TB, s *scribe) (door, person, group region.ID, token grants.Token, l let) {
	t.Helper()
	door, site, person, group, grant := fresh()
	l = let{id: grant, subject: group, target: door}
	token = s.write(t, central, func(c *commit) {
		c.site(site)
		c.door(door, site, "", time.Time{})
		c.member(group, person, true, time.Time{})
		c.let(l)
	})
	return door, person, group, token, l
}

func TestATokenIsNeverAnsweredFromBefore(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	s := newScribe(db.DB)
	door, person, group, _, l := simple(t, s)
	i := newInstance(t, newStore(t, db.DB), nil) // no hints and no polls
	if got := i.reason(t, s.org, door, person); got != policy.ReasonGrant {
		t.Fatal(got)
	}
	removed := s.write(t, central, func(c *commit) { c.member(group, person, false, time.Time{}) })
	if got := i.reason(t, s.org, door, person); got != policy.ReasonGrant {
		t.Fatalf("%v: nobody told of the commit, so where was it read?", got)
	}
	if got := i.reason(t, s.org, door, person, removed); got != policy.ReasonNoGrant {
		t.Fatal(got)
	}
	s.write(t, central, func(c *commit) { c.member(group, person, true, time.Time{}) })
	revoked := s.write(t, central, func(c *commit) { c.revoke(l) })
	if got := i.reason(t, s.org, door, person, revoked); got != policy.ReasonNoGrant {
		t.Fatal(got)
	}
	if loads := i.tap.loads.Load(); loads != 1 {
		t.Errorf("%d loads", loads)
	}
}

func TestATokenOfTheFutureIsRefusedAndOthersArePassedOver(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	s := newScribe(db.DB)
	_, _, _, token, _ := simple(t, s)
	i := newInstance(t, newStore(t, db.DB), nil)
	future := token
	future.Version++
	if _, err := i.View(t.Context(), s.org, []grants.Token{future}); !errors.Is(err, outbox.ErrNotFresh) {
		t.Error(err)
	}
	foreign, identity := future, future
	foreign.Region, identity.Service = "us-east", "identity"
	if _, err := i.View(t.Context(), s.org, []grants.Token{foreign, identity, token}); err != nil {
		t.Error(err)
	}
}

func TestAHintIsFollowed(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	s := newScribe(db.DB)
	door, person, group, _, _ := simple(t, s)
	i := newInstance(t, newStore(t, db.DB), nil)
	i.reason(t, s.org, door, person)
	removed := s.write(t, central, func(c *commit) { c.member(group, person, false, time.Time{}) })
	i.Committed(removed.Org, removed.Region, removed.Version)
	eventually(t, "the pull", func() bool { return i.reason(t, s.org, door, person) == policy.ReasonNoGrant })
	pulls := i.tap.pulls.Load()
	i.Committed(removed.Org, removed.Region, removed.Version) // the same news by another way
	if now := i.tap.pulls.Load(); now != pulls {
		t.Errorf("%d pulls for one commit", now-pulls+1)
	}
}

func TestWhatNoHintToldOfIsFoundByThePollAndCounted(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	s := newScribe(db.DB)
	door, person, group, _, _ := simple(t, s)
	i := newInstance(t, newStore(t, db.DB), func(c *projection.Config) { c.Poll = 10 * time.Millisecond })
	i.reason(t, s.org, door, person)
	member, want := true, map[bool]policy.Reason{true: policy.ReasonGrant, false: policy.ReasonNoGrant}
	// One that a question found first, on a machine that stood still, is not the poll's: then the next one is.
	eventually(t, "the count", func() bool {
		member = !member
		s.write(t, central, func(c *commit) { c.member(group, person, member, time.Time{}) })
		eventually(t, "the poll", func() bool { return i.reason(t, s.org, door, person) == want[member] })
		return i.count(t, "missed") > 0
	})
}

// One region removes Bob, then another lets his former group in. A reader that saw only the second would let Bob in.
func TestRegionsAreReadTogether(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	s := newScribe(db.DB)
	_, bob, group, _, _ := simple(t, s)
	door, site := inWest(region.Door), inWest(region.Site)
	s.write(t, west, func(c *commit) {
		c.site(site)
		c.door(door, site, "", time.Time{})
	})
	i := newInstance(t, newStore(t, db.DB), nil)
	i.reason(t, s.org, door, bob)
	s.write(t, central, func(c *commit) { c.member(group, bob, false, time.Time{}) })
	let := s.write(t, west, func(c *commit) { c.let(let{id: inWest(region.Grant), subject: group, target: door}) })
	if got := i.reason(t, s.org, door, bob, let); got != policy.ReasonNoGrant { // the token says nothing about central
		t.Fatal(got)
	}
}

// The new-enemy anomaly: Bob leaves a group, then the group is let into a new room. Who reads the group from before and the
// grant from after lets Bob into the new room. An instance that knows of neither answers from before both, which is stale; one
// that has the token of the second write has the first as well.
func TestTheTokenPreventsTheNewEnemy(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	s := newScribe(db.DB)
	store := newStore(t, db.DB)
	a, b := newInstance(t, store, nil), newInstance(t, store, nil) // b hears nothing and polls never
	lobby, bob, group, _, _ := simple(t, s)
	room, site := id(region.Door), id(region.Site)
	s.write(t, central, func(c *commit) { c.door(room, site, "", time.Time{}) })
	for _, i := range []*instance{a, b} {
		if got := i.reason(t, s.org, lobby, bob); got != policy.ReasonGrant {
			t.Fatal(got)
		}
	}
	gate := make(chan struct{})
	hold := func() { <-gate }
	b.tap.pull.Store(&hold)

	s.write(t, central, func(c *commit) { c.member(group, bob, false, time.Time{}) })
	let := s.write(t, central, func(c *commit) { c.let(let{id: id(region.Grant), subject: group, target: room}) })
	for _, door := range []region.ID{lobby, room} {
		if got := a.reason(t, s.org, door, bob, let); got != policy.ReasonNoGrant {
			t.Fatalf("where it was written: %v", got)
		}
	}
	if got := b.reason(t, s.org, lobby, bob); got != policy.ReasonGrant {
		t.Fatalf("%v: b is not behind, and this test shows nothing", got)
	}
	if got := b.reason(t, s.org, room, bob); got != policy.ReasonNoGrant {
		t.Fatalf("%v from one write without the other", got)
	}
	answers := make(chan policy.Reason, 2)
	for _, door := range []region.ID{lobby, room} {
		go func() { answers <- b.reason(t, s.org, door, bob, let) }()
	}
	select {
	case got := <-answers:
		t.Fatalf("answered %v from before the token", got)
	case <-time.After(20 * time.Millisecond): // that nothing comes is what is shown
	}
	close(gate)
	for range 2 {
		if got := <-answers; got != policy.ReasonNoGrant {
			t.Fatal(got)
		}
	}
}

func TestADatabaseThatIsGoneIsAnsweredForAWhileThenRefusedThenBack(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	s := newScribe(db.DB)
	door, person, group, _, _ := simple(t, s)
	clock := newClock()
	i := newInstance(t, newStore(t, db.DB), func(c *projection.Config) { c.MaxUnconfirmed, c.Clock = 2*time.Second, clock.read })
	if got := i.reason(t, s.org, door, person); got != policy.ReasonGrant {
		t.Fatal(got)
	}
	i.tap.fail(fmt.Errorf("%w: %w", database.ErrUnavailable, errGone))
	removed := s.write(t, central, func(c *commit) { c.member(group, person, false, time.Time{}) })
	clock.advance(1900 * time.Millisecond)
	if got := i.reason(t, s.org, door, person); got != policy.ReasonGrant {
		t.Fatalf("%v: it was confirmed lately", got)
	}
	if _, err := i.View(t.Context(), s.org, []grants.Token{removed}); !errors.Is(err, database.ErrUnavailable) {
		t.Fatalf("a token ahead, and nobody to ask: %v", err)
	}
	clock.advance(200 * time.Millisecond)
	if _, err := i.View(t.Context(), s.org, nil); !errors.Is(err, database.ErrUnavailable) {
		t.Fatalf("not confirmed for too long: %v", err)
	}
	i.tap.fail(nil)
	if got := i.reason(t, s.org, door, person); got != policy.ReasonNoGrant {
		t.Fatal(got)
	}
}

func TestPollsKeepAnOrganizationConfirmed(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	s := newScribe(db.DB)
	door, person, _, _, _ := simple(t, s)
	clock := newClock()
	i := newInstance(t, newStore(t, db.DB), func(c *projection.Config) {
		c.Poll, c.MaxUnconfirmed, c.Clock = 10*time.Millisecond, 500*time.Millisecond, clock.read
	})
	i.reason(t, s.org, door, person)
	for range 5 {
		clock.advance(400 * time.Millisecond)
		asked := i.tap.asked.Load()
		// One poll may have begun before; when a third one ends, the second has been taken note of.
		eventually(t, "polls", func() bool { return i.tap.asked.Load() >= asked+3 })
		i.reason(t, s.org, door, person)
	}
	if pulls := i.tap.pulls.Load(); pulls != 0 {
		t.Errorf("%d questions asked the database, although polls had confirmed", pulls)
	}
}

func TestManyWhoWaitShareOneReading(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	s := newScribe(db.DB)
	door, person, group, _, _ := simple(t, s)
	i := newInstance(t, newStore(t, db.DB), nil)
	i.reason(t, s.org, door, person)
	gate := make(chan struct{})
	hold := func() { <-gate }
	i.tap.pull.Store(&hold)
	token := s.write(t, central, func(c *commit) { c.member(group, person, false, time.Time{}) })
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if got := i.reason(t, s.org, door, person, token); got != policy.ReasonNoGrant {
				t.Error(got)
			}
		})
	}
	// One who gives up does not end the reading for the others.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := i.View(ctx, s.org, []grants.Token{token}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(gate)
	all.Wait()
	if pulls := i.tap.pulls.Load(); pulls > 2 {
		t.Errorf("%d pulls", pulls)
	}
}
