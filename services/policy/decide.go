package policy

import "time"

// Request is a question: may this person, with this credential, open this door?
type Request struct {
	Door DoorID
	// Person is the credential's holder, or who is asked about. Empty only with an
	// unknown credential.
	Person PersonID
	// Credential is what was presented; nil when the question is only about a person.
	Credential *CredentialFact
	// Direction is which way the person wants to go.
	Direction Direction
	// SecondFactor is whether a second factor was presented, and proved right.
	SecondFactor Factor
	// Entitled asks what the facts alone allow: what depends on the State and on a second
	// factor is taken as met and listed in Decision.Conditions; there are no Effects.
	Entitled bool
}

// Direction is the side of the door at which the credential was presented. The numbers
// are those of Direction in cardea/permissions/v1.
type Direction int32

const (
	// DirectionUnspecified: the reader does not tell; anti-passback is not asked.
	DirectionUnspecified Direction = 0
	// DirectionEntry: into the zones whose border the door is.
	DirectionEntry Direction = 1
	// DirectionExit: out of them.
	DirectionExit Direction = 2
)

// Factor is what became of a second factor. The numbers are those of SecondFactor in
// cardea/permissions/v1.
type Factor int32

const (
	// FactorNone: none was presented.
	FactorNone Factor = 0
	// FactorRight: it was presented and is right.
	FactorRight Factor = 1
	// FactorWrong: it was presented and is wrong.
	FactorWrong Factor = 2
)

// Decide answers the request from the facts at the moment `at` (any location; only
// the instant counts).
//
// The first of these that applies is the answer:
//
//  1. the door is not known: UnknownDoor;
//  2. a credential was presented and is unknown, or not active: UnknownCredential,
//     CredentialNotActive;
//  3. otherwise each grant to the person or a group of theirs (through up to
//     MaxGroupDepth levels of groups in groups), of the door or a zone of it, is
//     judged by itself, and the closest to opening decides, in this order: Grant,
//     BrokenFacts, OutsideSchedule, NotYetValid, Expired; of several equally close
//     ones the one with the smallest id. None at all: NoGrant.
//
// The state is not read and Effects are nil: no rule uses them yet.
func Decide(req Request, facts Facts, _ State, at time.Time) Decision {
	door, ok := facts.Door(req.Door)
	if !ok {
		return Deny(ReasonUnknownDoor)
	}
	if c := req.Credential; c != nil && c.Status != CredentialActive {
		if c.Status == CredentialUnknown {
			return Deny(ReasonUnknownCredential)
		}
		return Deny(ReasonCredentialNotActive)
	}
	var room [subjectsOnStack]SubjectID // most people are in fewer groups: no allocation
	subjects, tooDeep := closure(facts, req.Person, room[:0])
	best := Deny(ReasonNoGrant)
	if tooDeep {
		best.Reason = ReasonBrokenFacts
	}
	for _, subject := range subjects {
		best = closest(best, facts, facts.Grants(subject, TargetID(req.Door)), at)
		for _, zone := range door.Zones {
			best = closest(best, facts, facts.Grants(subject, TargetID(zone)), at)
		}
	}
	return best
}

// closest judges each grant and returns the best of them and what was there before.
func closest(best Decision, facts Facts, grants []Grant, at time.Time) Decision {
	for i := range grants {
		if best.Outcome == Granted && grants[i].ID >= best.Grant {
			continue // it could not be named, whatever it says
		}
		if d := judge(facts, &grants[i], at); closer(d, best) {
			best = d
		}
	}
	return best
}

// judge says what one grant, which names the person and the door, means at a moment.
func judge(facts Facts, g *Grant, at time.Time) Decision {
	d := Decision{Outcome: Denied, Grant: g.ID}
	switch {
	case !g.ValidFrom.IsZero() && at.Before(g.ValidFrom):
		d.Reason = ReasonNotYetValid
		return d
	case !g.ValidTo.IsZero() && !at.Before(g.ValidTo):
		d.Reason = ReasonExpired
		return d
	}
	if g.Schedule != "" {
		d.Schedule = g.Schedule
		schedule, ok := facts.Schedule(g.Schedule)
		if !ok || schedule == nil {
			d.Reason = ReasonBrokenFacts
			return d
		}
		if !schedule.Contains(at) {
			d.Reason = ReasonOutsideSchedule
			return d
		}
	}
	d.Outcome, d.Reason = Granted, ReasonGrant
	return d
}

// closer tells whether a came closer to opening the door than b. A decision with a
// grant goes before one without: it tells more.
func closer(a, b Decision) bool {
	if ra, rb := rank(a.Reason), rank(b.Reason); ra != rb {
		return ra < rb
	}
	return b.Grant == "" || a.Grant < b.Grant
}

// rank orders the reasons that a grant can give, the closest to opening first.
func rank(r Reason) int {
	switch r {
	case ReasonGrant:
		return 0
	case ReasonBrokenFacts: // it might have opened; somebody has to mend the facts
		return 1
	case ReasonOutsideSchedule: // the right person on the right day
		return 2
	case ReasonNotYetValid: // will hold
		return 3
	case ReasonExpired: // held
		return 4
	default:
		return 5
	}
}
