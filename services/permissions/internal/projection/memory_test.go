package projection_test

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cardea-mesh/cardea/services/permissions/internal/projection"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// Many organizations, room for a few, everybody asks and somebody writes: every answer with a token is right.
func TestOrganizationsAreEvictedAndReadAgainUnderLoad(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	type tenant struct {
		*scribe
		door, person, group region.ID
		mu                  sync.Mutex
		inside              bool
	}
	var tenants []*tenant
	for range 8 {
		s := newScribe(db.DB)
		door, person, group, _, _ := simple(t, s)
		tenants = append(tenants, &tenant{scribe: s, door: door, person: person, group: group, inside: true})
	}
	i := newInstance(t, newStore(t, db.DB), func(c *projection.Config) {
		c.MaxBytes, c.Poll, c.Verify = 20_000, 10*time.Millisecond, 10*time.Millisecond
	})
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			for round := range 60 {
				x := tenants[rand.IntN(len(tenants))]
				if (n+round)%3 != 0 {
					if _, err := i.View(t.Context(), x.org, nil); err != nil {
						t.Error(err)
					}
					continue
				}
				x.mu.Lock()
				x.inside = !x.inside
				token := x.write(t, central, func(c *commit) { c.member(x.group, x.person, x.inside, time.Time{}) })
				want := policy.ReasonNoGrant
				if x.inside {
					want = policy.ReasonGrant
				}
				if got := i.reason(t, x.org, x.door, x.person, token); got != want {
					t.Errorf("%v, want %v", got, want)
				}
				x.mu.Unlock()
			}
		})
	}
	all.Wait()
	stats := i.Stats()
	if evictions := i.count(t, "evictions"); evictions == 0 || stats.Bytes > 20_000 || stats.Organizations >= len(tenants) {
		t.Errorf("%d evictions, %+v", evictions, stats)
	}
	if differed := i.count(t, "differed"); differed != 0 {
		t.Errorf("%d organizations in memory were not as in the database", differed)
	}
}

func TestAnOrganizationThatDoesNotFitIsLeftToTheDatabase(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	small, large := newScribe(db.DB), newScribe(db.DB)
	door, person, _, _, _ := simple(t, small)
	_, _, group, _, _ := simple(t, large)
	large.write(t, central, func(c *commit) {
		for range 100 {
			c.member(group, id(region.Person), true, time.Time{})
		}
	})
	i := newInstance(t, newStore(t, db.DB), func(c *projection.Config) { c.MaxBytes = 10_000 })
	i.reason(t, small.org, door, person)
	for range 3 {
		if _, err := i.View(t.Context(), large.org, nil); !errors.Is(err, projection.ErrTooLarge) {
			t.Fatal(err)
		}
	}
	if loads := i.tap.loads.Load(); loads != 2 {
		t.Errorf("%d loads: it is not tried at every question", loads)
	}
	if stats := i.Stats(); stats.Organizations != 1 {
		t.Errorf("%+v: the small one had to go", stats)
	}
	// One that fits and grows.
	token := small.write(t, central, func(c *commit) {
		for range 100 {
			c.member(group, id(region.Person), true, time.Time{})
		}
	})
	i.Committed(token.Org, token.Region, token.Version)
	eventually(t, "its end in memory", func() bool { return i.Stats().Organizations == 0 && i.Stats().Bytes == 0 })
}

// A database that was restored to an older state takes back what was answered from.
func TestADatabaseThatWasTurnedBackIsReadAnew(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	s := newScribe(db.DB)
	door, person, group, _, _ := simple(t, s)
	s.write(t, central, func(c *commit) { c.member(group, person, false, time.Time{}) })
	i := newInstance(t, newStore(t, db.DB), func(c *projection.Config) { c.Poll = 10 * time.Millisecond })
	if got := i.reason(t, s.org, door, person); got != policy.ReasonNoGrant {
		t.Fatal(got)
	}
	pool, err := pgxpool.New(t.Context(), db.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for _, undo := range []string{
		`DELETE FROM permissions.memberships WHERE version = 2`,
		`UPDATE permissions.memberships SET superseded_at = NULL`,
		`UPDATE permissions.org_heads SET version = 1`,
	} {
		if _, err := pool.Exec(t.Context(), undo); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the older state", func() bool { return i.reason(t, s.org, door, person) == policy.ReasonGrant })
	// Restored, and written to since: the version is the same, the commit is another.
	if _, err := pool.Exec(t.Context(), `UPDATE permissions.org_heads SET recorded_at = recorded_at - INTERVAL '1 second'`); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other commit", func() bool { return i.count(t, "turned_back") == 2 })
}

// What nothing explains is found by comparing with the database, told, and put right.
func TestTheComparisonFindsWhatIsNotAsInTheDatabase(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	s := newScribe(db.DB)
	door, person, group, _, _ := simple(t, s)
	i := newInstance(t, newStore(t, db.DB), func(c *projection.Config) { c.Verify = 20 * time.Millisecond })
	i.reason(t, s.org, door, person)
	lose := func(rows *projection.Rows) { rows.Members = nil }
	i.tap.wrong.Store(&lose)
	// A commit that the comparison itself reads first does not pass through what loses it: writes until one did.
	inside := true
	eventually(t, "the count", func() bool {
		inside = !inside
		i.reason(t, s.org, door, person, s.write(t, central, func(c *commit) { c.member(group, person, inside, time.Time{}) }))
		return i.count(t, "differed") > 0
	})
	i.tap.wrong.Store(nil)
	want := policy.ReasonNoGrant
	if inside {
		want = policy.ReasonGrant
	}
	eventually(t, "the repair", func() bool { return i.reason(t, s.org, door, person) == want })
}
