package drill

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Violation is an unlock that the rule forbids.
type Violation struct {
	Unlock Unlock
	// Why says what was enforced before.
	Why string
}

// String tells what happened.
func (v Violation) String() string {
	how := "by its gateway"
	if v.Unlock.Alone {
		how = "alone"
	}
	return fmt.Sprintf("lock %d opened door %d for card %d, %s, at %s (services' clock %s): %s", v.Unlock.Lock, v.Unlock.Door, v.Unlock.Card, how,
		v.Unlock.Began.Format(clockFormat), v.Unlock.Clock.Format(clockFormat), v.Why)
}

const clockFormat = "15:04:05.000"

// Check holds a record to the rule. An unlock stands when some chain of facts (a card, a grant of its door, a membership where the
// grant is the group's) may have held when the card was presented, and no lockdown was enforced there. A fact may hold from when the call that gives
// it began until an answer said that its end is enforced; for a lock that decided alone and was listed as exposed by that
// answer, until the moment that was listed.
func Check(r *Record) []Violation { return violations(r, r.Unlocks) }

// violations are those of some unlocks that the rule forbids.
func violations(r *Record, unlocks []Unlock) []Violation {
	o := oracle{Record: r, ends: map[FactID][]int{}}
	for i, t := range r.Takings {
		for _, f := range t.Facts {
			o.ends[f] = append(o.ends[f], i)
		}
	}
	var found []Violation
	for _, u := range unlocks {
		if why := o.forbidden(u); why != "" {
			found = append(found, Violation{Unlock: u, Why: why})
		}
	}
	return found
}

type oracle struct {
	*Record
	ends map[FactID][]int // takings by the facts that they end
}

// forbidden says why an unlock must not have been; empty: it may have been.
func (o oracle) forbidden(u Unlock) string {
	var why []string
	note := func(reason string) {
		if reason != "" && !slices.Contains(why, reason) {
			why = append(why, reason)
		}
	}
	if locked := o.lockedDown(u); locked != "" {
		return locked
	}
	card := o.card(u.Card)
	if dead := o.dead(card, u); dead != "" {
		return dead
	}
	for id, f := range o.Facts {
		if f.Kind != GrantFact || !slices.Contains(f.Doors, u.Door) || f.Subject != Group && f.Subject != o.Facts[card].Person {
			continue
		}
		reason := o.dead(FactID(id), u)
		if reason == "" && f.Subject == Group {
			reason = o.outside(o.Facts[card].Person, u)
		}
		if reason == "" {
			return ""
		}
		note(reason)
	}
	if len(why) == 0 {
		return "no grant was ever given for it"
	}
	return strings.Join(why, "; ")
}

func (o oracle) card(n int) FactID {
	return FactID(slices.IndexFunc(o.Facts, func(f Fact) bool { return f.Kind == CardFact && f.Card == n }))
}

// outside says why a person cannot have been in the group; empty: they may have been.
func (o oracle) outside(person int, u Unlock) string {
	why := fmt.Sprintf("person %d was never in the group", person)
	for id, f := range o.Facts {
		if f.Kind == MemberFact && f.Person == person {
			if why = o.dead(FactID(id), u); why == "" {
				return ""
			}
		}
	}
	return why
}

func (o oracle) lockedDown(u Unlock) string {
	for id, f := range o.Facts {
		if f.Kind != LockdownFact || !slices.Contains(f.Doors, u.Door) {
			continue
		}
		if lifted, ok := o.Lifted[FactID(id)]; ok && !lifted.After(u.Ended) {
			continue
		}
		if why := o.enforced(FactID(id), u); why != "" {
			return why
		}
	}
	return ""
}

// dead says why a fact cannot have held at an unlock; empty: it may have.
func (o oracle) dead(id FactID, u Unlock) string {
	if o.Facts[id].Began.After(u.Ended) {
		return "what would allow it was given afterwards"
	}
	return o.enforced(id, u)
}

// enforced says which answer, before the card was presented, promised that the fact's taking counts at this lock.
func (o oracle) enforced(id FactID, u Unlock) string {
	for _, e := range o.Record.Enforced {
		if !slices.Contains(o.ends[id], e.Taking) || !e.At.Before(u.Began) {
			continue
		}
		until, listed := e.Exposed[u.Lock]
		promise := fmt.Sprintf("%s was answered as enforced at %s", o.Takings[e.Taking].What, e.At.Format(clockFormat))
		switch {
		case !u.Alone || !listed:
			return promise
		case !until.IsZero() && u.Clock.After(until.Add(time.Second)): // a second: the clock goes on between two readings
			return fmt.Sprintf("%s, with this lock exposed until %s", promise, until.Format(clockFormat))
		}
	}
	return ""
}
