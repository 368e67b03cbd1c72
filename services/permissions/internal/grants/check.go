package grants

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// Question asks whether a person may open a door.
type Question struct {
	Org, Door, Person region.ID
	At                time.Time // zero: now
	AtLeast           []Token
	Direction         policy.Direction
	SecondFactor      policy.Factor
	// State is what earlier passages left behind; nil: rules that need it, or a second factor, are taken as met and named
	// in the decision's conditions.
	State *policy.State
}

// people are those whose groups and grants the question needs: the person's, and those of whoever waits for a second one,
// because a grant must still admit them when the second one comes.
func (q Question) people() []region.ID {
	if q.State == nil || q.State.Waiting.Person == "" {
		return []region.ID{q.Person}
	}
	return []region.ID{q.Person, region.ID(q.State.Waiting.Person)}
}

// Answer is what was decided, and from which state.
type Answer struct {
	policy.Decision
	Revision Token
}

// Decide answers from facts that hold at the moment.
func (q Question) Decide(facts policy.Facts, at time.Time) policy.Decision {
	req, state := q.request()
	return policy.Decide(req, facts, state, at)
}

// request is the question as package policy takes it.
func (q Question) request() (req policy.Request, state policy.State) {
	req = policy.Request{
		Door: policy.DoorID(q.Door), Person: policy.PersonID(q.Person), Direction: q.Direction, SecondFactor: q.SecondFactor,
		Entitled: q.State == nil,
	}
	if q.State != nil {
		state = *q.State
	}
	return req, state
}

// Check decides from what is known now. now is the clock; where the organization's latest commit is later, because the
// database's clock runs ahead, that counts: a write that was answered is never in the future of a later question.
func (c Commands) Check(ctx context.Context, r Reader, q Question, now time.Time) (Answer, error) {
	answers, err := c.CheckAll(ctx, r, []Question{q}, now)
	if err != nil {
		return Answer{}, err
	}
	if answers[0].Reason == policy.ReasonUnknownDoor {
		// Before it was made: UnknownDoor is the answer. Not there at all: there is none.
		if _, err := r.Door(ctx, q.Org, q.Door); err != nil {
			return Answer{}, err
		}
	}
	return answers[0], nil
}

// CheckAll is Check for several questions of one organization, at doors of one region, at the moment of the first and as
// fresh as it asks. A door that is not there is ReasonUnknownDoor.
func (c Commands) CheckAll(ctx context.Context, r Reader, all []Question, now time.Time) ([]Answer, error) {
	home, err := c.Regions.Home(all[0].Door)
	if err != nil {
		return nil, err
	}
	if err := r.Fresh(ctx, all[0].AtLeast); err != nil {
		return nil, err
	}
	head, latest, err := r.Heads(ctx, home.Name, all[0].Org)
	if err != nil {
		return nil, err
	}
	at := all[0].At
	if at.IsZero() {
		at = Now(now, latest)
	}
	query := FactsQuery{Org: all[0].Org, Home: home.Name, Moment: Moment{At: at}}
	for _, q := range all {
		query.Doors, query.People = append(query.Doors, q.Door), append(query.People, q.people()...)
	}
	facts, err := r.Facts(ctx, query)
	if err != nil {
		return nil, err
	}
	answers := make([]Answer, len(all))
	for i, q := range all {
		answers[i] = Answer{q.Decide(facts, at), head.Token}
	}
	return answers, nil
}

// Now is the moment that a question means which names none: the clock's, or that of the organization's latest commit
// where that is later.
func Now(clock, latest time.Time) time.Time { return later(Instant(clock), latest) }
