package grants

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// Explanation is an answer with everything that was looked at.
type Explanation struct {
	policy.Explanation
	Revision Token
}

// Explain is Check with everything that was looked at. It reads rows: it is for questions that people ask, and says what
// the store holds, whatever any memory has.
func (c Commands) Explain(ctx context.Context, r Reader, q Question, now time.Time) (Explanation, error) {
	home, err := c.Regions.Home(q.Door)
	if err != nil {
		return Explanation{}, err
	}
	if err := r.Fresh(ctx, q.AtLeast); err != nil {
		return Explanation{}, err
	}
	head, latest, err := r.Heads(ctx, home.Name, q.Org)
	if err != nil {
		return Explanation{}, err
	}
	if q.At.IsZero() {
		q.At = Now(now, latest)
	}
	facts, err := r.Facts(ctx, FactsQuery{
		Org: q.Org, Home: home.Name, Doors: []region.ID{q.Door}, People: q.people(), Moment: Moment{At: q.At},
	})
	if err != nil {
		return Explanation{}, err
	}
	if _, there := facts.Door(policy.DoorID(q.Door)); !there {
		// As Check: before it was made, UnknownDoor is the answer; not there at all, there is none.
		if _, err := r.Door(ctx, q.Org, q.Door); err != nil {
			return Explanation{}, err
		}
	}
	req, state := q.request()
	return Explanation{policy.Explain(req, facts, state, q.At), head.Token}, nil
}
