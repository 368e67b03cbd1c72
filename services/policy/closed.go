package policy

import "time"

// Closed is what lockdowns make of a door at a moment.
type Closed struct {
	// Nobody: a lockdown without override holders holds: nobody opens.
	Nobody bool
	// Next is the next moment at which a lockdown of the door begins or ends by itself; zero: none does.
	Next time.Time
}

// ClosedAt tells whether nobody may open a door, whoever comes, and until when that is so, as far as lockdowns go. A door
// that is not known, or around which zones are nested too deep, is not locked down; Decide refuses everybody there.
func ClosedAt(facts Facts, id DoorID, at time.Time) Closed {
	door, ok := facts.Door(id)
	if !ok {
		return Closed{}
	}
	var room [targetsOnStack]TargetID
	targets, tooDeep := targetsOf(facts, &door, id, room[:0])
	if tooDeep {
		return Closed{}
	}
	if door.Site != "" {
		targets = append(targets, TargetID(door.Site))
	}
	var c Closed
	for _, target := range targets {
		for _, l := range facts.Lockdowns(target) {
			c.Nobody = c.Nobody || l.holds(at) && l.rank() == MaxLockdownRank
			c.sooner(l.From, at)
			c.sooner(l.Until, at)
		}
	}
	return c
}

func (c *Closed) sooner(edge, at time.Time) {
	if edge.After(at) && (c.Next.IsZero() || edge.Before(c.Next)) {
		c.Next = edge
	}
}
