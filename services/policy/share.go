package policy

import "slices"

// held is what follows from a grant's place in its chain of shares.
type held struct {
	// ended: a grant further up is not there, or does not hold for whoever shared it.
	ended bool
	// limited: a grant of the chain has a use limit. spent: one has no use left.
	limited, spent bool
	// rank is the lowest OverrideRank of the chain: nobody passes on more than they hold.
	rank int
}

// held follows a grant back through what it was shared from. For a grant that is not a
// share only the grant itself counts.
func (q *question) held(r reached, g *Grant) held {
	h := held{limited: g.MaxUses != 0, spent: q.spent(g), rank: g.rank()}
	if g.SharedFrom == "" {
		return h
	}
	child := *g
	for shares := 0; child.SharedFrom != ""; shares++ {
		parent, ok := q.facts.Grant(child.SharedFrom)
		if !ok || shares == MaxShareDepth || !q.heldBy(r, &parent, child.Sharer) {
			return held{ended: true}
		}
		h.limited = h.limited || parent.MaxUses != 0
		h.spent = h.spent || q.spent(&parent)
		h.rank = min(h.rank, parent.rank())
		child = parent
	}
	return h
}

// heldBy tells whether a grant admits the sharer at the door at the moment, whatever
// the lockdown: it is timely, covers the door, and names them or a group of theirs.
func (q *question) heldBy(r reached, g *Grant, sharer PersonID) bool {
	return timely(q.facts, g, q.at) == ReasonGrant &&
		slices.Contains(r.targets, g.Target) &&
		q.isIn(r, sharer, g.Subject)
}

// isIn tells whether the subject is the person, or a group of theirs.
func (q *question) isIn(r reached, person PersonID, subject SubjectID) bool {
	switch {
	case person == "":
		return false
	case subject == SubjectID(person):
		return true
	case person == r.person:
		return slices.Contains(r.subjects, subject)
	}
	var room [subjectsOnStack]SubjectID
	subjects, _ := subjectsOf(q.facts, person, room[:0])
	return slices.Contains(subjects, subject)
}

// spent tells whether a grant has no use left. A negative limit is none that anybody
// can have meant; it leaves no use. With Entitled only that is asked.
func (q *question) spent(g *Grant) bool {
	if g.MaxUses <= 0 || q.req.Entitled {
		return g.MaxUses < 0
	}
	return q.state.Uses[g.ID] >= g.MaxUses
}

// rank is OverrideRank; out of range it overrides nothing.
func (g *Grant) rank() int {
	if g.OverrideRank < 0 || g.OverrideRank > MaxOverrideRank {
		return 0
	}
	return g.OverrideRank
}
