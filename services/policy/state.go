package policy

import "time"

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
	// Uses is how often each use-limited grant has opened; absent: never.
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
}
