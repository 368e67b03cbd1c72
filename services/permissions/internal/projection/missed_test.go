package projection_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/permissions/internal/projection"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// Of the news of commits in two regions some is lost, some comes twice, and some after later news. Answers with a token are
// right all along, and without one as soon as a poll was made; nothing that was skipped stays missing, and what was missed
// is counted.
func TestNewsThatIsLostRepeatedOrLateLeavesNothingOut(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	db := newDatabase(t)
	s := newScribe(db.DB)
	door, person, group, _, _ := simple(t, s)
	i := newInstance(t, newStore(t, db.DB), func(c *projection.Config) { c.Poll, c.Verify = 20*time.Millisecond, 10*time.Millisecond })
	if got := i.reason(t, s.org, door, person); got != policy.ReasonGrant {
		t.Fatal(got)
	}
	tell := func(n grants.Token) { i.Committed(n.Org, n.Region, n.Version) }
	var late []grants.Token
	inside := true
	want := func() policy.Reason {
		if inside {
			return policy.ReasonGrant
		}
		return policy.ReasonNoGrant
	}
	for range 40 {
		inside = !inside
		news := s.write(t, central, func(c *commit) { c.member(group, person, inside, time.Time{}) })
		other := s.write(t, west, func(c *commit) { c.member(inWest(region.Group), id(region.Person), true, time.Time{}) })
		switch r.IntN(4) {
		case 0: // lost, both
		case 1:
			tell(news)
			tell(news)
		case 2:
			late = append(late, news, other)
		case 3:
			tell(other)
			for _, old := range late {
				tell(old)
			}
			late = nil
		}
		if r.IntN(3) == 0 {
			if got := i.reason(t, s.org, door, person, news); got != want() {
				t.Fatalf("with the token of version %d: %v", news.Version, got)
			}
		}
	}
	eventually(t, "the last commit without a token", func() bool { return i.reason(t, s.org, door, person) == want() })
	// Nobody tells of this one.
	inside = !inside
	s.write(t, central, func(c *commit) { c.member(group, person, inside, time.Time{}) })
	eventually(t, "a commit of which nobody told", func() bool { return i.reason(t, s.org, door, person) == want() })
	eventually(t, "the count of what was missed", func() bool { return i.count(t, "missed") > 0 })
	if n := i.count(t, "differed"); n != 0 {
		t.Errorf("%d times memory was not as the database", n)
	}
}
