package policy

import (
	"slices"
	"strings"
)

// effects are what a passage by the grant, and by that of the partner, changes, in the order of EffectKind, zones by
// their ids: presence, arrival, uses, the end of a wait.
func (q *question) effects(r reached, best *judged, partner PersonID, theirs *judged) []Effect {
	all := q.pass(nil, "")
	if partner != "" {
		all = q.pass(all, partner)
	}
	all = q.arrive(r, all, partner)
	all = q.use(all, best)
	if partner != "" {
		all = q.use(all, theirs)
		all = append(all, Effect{Kind: EffectPair})
	}
	return all
}

// pass adds that somebody (empty: the person of the question) passes the door's borders.
func (q *question) pass(all []Effect, person PersonID) []Effect {
	if !q.passes() {
		return all
	}
	kind := EffectEnter
	if q.req.Direction == DirectionExit {
		kind = EffectLeave
	}
	from := len(all)
	for i, zone := range q.door.Zones {
		if q.antiPassback(zone) != nil && !slices.Contains(q.door.Zones[:i], zone) {
			all = append(all, Effect{Kind: kind, Zone: zone, Person: person})
		}
	}
	slices.SortFunc(all[from:], func(a, b Effect) int { return strings.Compare(string(a.Zone), string(b.Zone)) })
	return all
}

// arrive adds that a first person arrives, if the person or the partner may be the first
// and it could count for a piece.
func (q *question) arrive(r reached, all []Effect, partner PersonID) []Effect {
	rules := &q.door.Rules
	if rules.FirstPerson == nil || !q.mayBeFirst(r, partner) || !firstPiece(q.facts, rules, q.at).counts(&q.state, q.at) {
		return all
	}
	return append(all, Effect{Kind: EffectArriveFirst})
}

// use adds a use of the grant and of each grant that it was shared from, where limited
// and not there already: two people who pass at once by one grant use it once.
func (q *question) use(all []Effect, best *judged) []Effect {
	if !best.limited {
		return all
	}
	for g, ok := *best.grant, true; ok; g, ok = q.facts.Grant(g.SharedFrom) {
		if e := (Effect{Kind: EffectUse, Grant: g.ID}); g.MaxUses != 0 && !slices.Contains(all, e) {
			all = append(all, e)
		}
		if g.SharedFrom == "" {
			break
		}
	}
	return all
}
