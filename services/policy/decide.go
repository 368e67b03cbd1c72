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
	// The State is not read. A door that waits for a first person does not stand open.
	Entitled bool
}

// Direction is the side of the door at which the credential was presented. The numbers
// are those of Direction in cardea/permissions/v1. One that is not listed here counts as
// DirectionUnspecified.
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
// cardea/permissions/v1. One that is not listed here counts as FactorWrong.
type Factor int32

const (
	// FactorNone: none was presented.
	FactorNone Factor = 0
	// FactorRight: it was presented and is right.
	FactorRight Factor = 1
	// FactorWrong: it was presented and is wrong. It is denied only where one is asked for.
	FactorWrong Factor = 2
)

// Decide answers the request from the facts and the state at the moment `at` (any
// location; only the instant counts). README.md lists the rules and every reason.
//
// The first of these that applies is the answer:
//
//  1. the door is not known: UnknownDoor;
//  2. a credential was presented and is unknown, or not active: UnknownCredential,
//     CredentialNotActive;
//  3. zones are nested around the door deeper than MaxGroupDepth: BrokenFacts;
//  4. a grant holds, and overrides the lockdown if there is one: the door's rules are
//     asked, unless it stands open: AntiPassback, FirstPersonNeeded,
//     SecondFactorNeeded, SecondFactorWrong, SecondPersonNeeded, and if none of them
//     objects Grant;
//  5. a lockdown holds, and without it a grant would hold or the door would stand open:
//     Lockdown;
//  6. the door stands open: AutoUnlock;
//  7. what the grant says that came closest to opening: BrokenFacts, UsesExhausted,
//     ShareEnded, OutsideSchedule, NotYetValid, Expired; no grant at all: NoGrant.
func Decide(req Request, facts Facts, state State, at time.Time) Decision {
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
	if req.Entitled {
		state = State{}
	}
	var roomS [subjectsOnStack]SubjectID // most people are in fewer groups: no allocation
	var roomT [targetsOnStack]TargetID
	targets, tooDeep := targetsOf(facts, &door, req.Door, roomT[:0])
	if tooDeep {
		return Deny(ReasonBrokenFacts)
	}
	subjects, tooDeep := subjectsOf(facts, req.Person, roomS[:0])
	q := question{req: req, facts: facts, state: state, at: at, door: door, groupsTooDeep: tooDeep}
	q.lockdown, q.locked = hardest(facts, door.Site, targets, at)
	return q.decide(reached{req.Person, subjects, targets})
}

// question is a request with what is found out once for all its rules.
type question struct {
	req   Request
	facts Facts
	state State
	at    time.Time
	door  Door
	// groupsTooDeep: there are groups beyond MaxGroupDepth.
	groupsTooDeep bool
	// lockdown is the hardest that holds, if locked.
	lockdown Lockdown
	locked   bool
}

// reached is what grants may name. It is no part of question, so that the compiler can see
// that it stays on the stack.
type reached struct {
	person   PersonID
	subjects []SubjectID // the person and all their groups
	targets  []TargetID  // the door and all zones around it
}

func (q *question) decide(r reached) Decision {
	best := q.best(r)
	unlock, stands := standing(q.facts, &q.door.Rules, &q.state, q.at)
	if best.reason == ReasonGrant {
		return q.admit(r, &best, stands && !q.locked)
	}
	if q.locked && (stands || best.reason == ReasonLockdown) {
		d := Deny(ReasonLockdown)
		if best.reason == ReasonLockdown {
			d = best.decision()
		}
		d.Lockdown = q.lockdown.ID
		return d
	}
	if stands {
		d := Decision{Outcome: Granted, Reason: ReasonAutoUnlock, Schedule: unlock}
		if !q.req.Entitled {
			d.Effects = q.pass(nil, "")
		}
		return d
	}
	return best.decision()
}

// admit is the decision where a grant holds.
func (q *question) admit(r reached, best *judged, standsOpen bool) Decision {
	d := best.decision()
	if q.locked {
		d.Lockdown = q.lockdown.ID
	}
	switch {
	case q.req.Entitled:
		if !standsOpen {
			d.Conditions = q.conditions(r, best)
		}
	case standsOpen:
		d.Effects = q.arrive(r, q.pass(nil, ""), "")
	default:
		q.obey(r, &d, best)
	}
	return d
}
