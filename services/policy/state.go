package policy

// State is what earlier passages left behind and what later rules will read:
// anti-passback, first-person-in and use limits. No rule reads it yet; it is an
// argument of Decide now so that callers need not change when the rules come.
// The zero value means that nothing is recorded.
type State struct {
	// Inside are the zones in which the person is.
	Inside []ZoneID
	// FirstArrived are the zones whose first person has arrived.
	FirstArrived []ZoneID
	// UsesLeft is how often a use-limited grant may still open; a grant without a
	// limit is absent.
	UsesLeft map[GrantID]int
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
	// EffectArriveFirst records that the first person has arrived in Zone.
	EffectArriveFirst EffectKind = 3
	// EffectUse takes one use from Grant.
	EffectUse EffectKind = 4
)

// Effect is one change of the State that the caller must make (compare-and-set)
// before it acts on a granted Decision. No rule returns one yet.
type Effect struct {
	Kind  EffectKind
	Zone  ZoneID
	Grant GrantID
}
