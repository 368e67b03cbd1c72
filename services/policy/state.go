package policy

import (
	"maps"
	"time"
)

// State is what earlier passages left behind, as far as one question needs it: who is
// inside, who arrived first, who waits for a second person, how often a grant was used.
// It is the caller's to keep; Decide reads it and says in Decision.Effects how it
// changes. The zero value means that nothing is recorded.
type State struct {
	// Presence is where the person of the question is, for each zone with anti-passback
	// that was entered or left; a zone that is absent: not known, both ways are open.
	Presence map[ZoneID]Presence
	// FirstArrival is when a first person last arrived at the door; zero: never.
	FirstArrival time.Time
	// Waiting is who is waiting at the door for a second person; zero: nobody.
	Waiting Waiting
	// Uses is how often each use-limited grant has opened; absent: never. Needed for the
	// grants of the person, of who waits, and what these were shared from.
	Uses map[GrantID]int
}

// Presence is on which side of a zone's border somebody is.
type Presence struct {
	Inside bool
	// Since is when they passed.
	Since time.Time
}

// Waiting is somebody whom a grant admitted at a door that asks for two people.
type Waiting struct {
	Person PersonID
	// Since is when.
	Since time.Time
}

// EffectKind says what a passage changes.
type EffectKind int32

const (
	// EffectUnspecified is never returned.
	EffectUnspecified EffectKind = 0
	// EffectEnter puts the person into Zone.
	EffectEnter EffectKind = 1
	// EffectLeave takes the person out of Zone.
	EffectLeave EffectKind = 2
	// EffectArriveFirst records that the first person has arrived at the door.
	EffectArriveFirst EffectKind = 3
	// EffectUse takes one use from Grant.
	EffectUse EffectKind = 4
	// EffectWait records that the person waits at the door for a second one.
	EffectWait EffectKind = 5
	// EffectPair records that the second person came: nobody waits any more.
	EffectPair EffectKind = 6
)

// Effect is one change of the State that the caller must make, compare-and-set, before
// it acts on the Decision. A denial has effects as well: the first of two people waits.
type Effect struct {
	Kind  EffectKind
	Zone  ZoneID
	Grant GrantID
	// Person is who enters or leaves, where it is not the person of the question: the one
	// who waited for them at a door that asks for two people.
	Person PersonID
}

// Apply returns the state after a passage: s with the effects of a Decision about the
// person at the moment. s itself does not change; what does is copied. Presence is that
// of one person, so an effect on somebody else's leaves it alone.
func (s State) Apply(effects []Effect, person PersonID, at time.Time) State {
	presenceCopied, usesCopied := false, false
	for _, e := range effects {
		switch e.Kind {
		case EffectEnter, EffectLeave:
			if e.Person != "" && e.Person != person {
				continue
			}
			s.Presence = writable(s.Presence, &presenceCopied)
			s.Presence[e.Zone] = Presence{Inside: e.Kind == EffectEnter, Since: at}
		case EffectArriveFirst:
			if at.After(s.FirstArrival) {
				s.FirstArrival = at
			}
		case EffectUse:
			s.Uses = writable(s.Uses, &usesCopied)
			s.Uses[e.Grant]++
		case EffectWait:
			s.Waiting = Waiting{Person: person, Since: at}
		case EffectPair:
			s.Waiting = Waiting{}
		case EffectUnspecified:
		}
	}
	return s
}

// writable returns a copy of m, the first time.
func writable[K comparable, V any](m map[K]V, copied *bool) map[K]V {
	if *copied {
		return m
	}
	*copied = true
	if m == nil {
		return make(map[K]V)
	}
	return maps.Clone(m)
}
