package policy

import "strconv"

// Outcome is what was decided. The numbers are those of Outcome in
// cardea/permissions/v1. The zero value is never returned by Decide; a reader that
// sees it denies.
type Outcome int32

const (
	// OutcomeUnspecified is not stated.
	OutcomeUnspecified Outcome = 0
	// Granted: the door opens.
	Granted Outcome = 1
	// Denied: the door stays closed.
	Denied Outcome = 2
)

// String is the name in the contract, without its prefix, e.g. `GRANTED`.
func (o Outcome) String() string {
	switch o {
	case OutcomeUnspecified:
		return "UNSPECIFIED"
	case Granted:
		return "GRANTED"
	case Denied:
		return "DENIED"
	default:
		return "OUTCOME_" + strconv.Itoa(int(o))
	}
}

// Reason is the closed list of why. The numbers are those of DecisionReason in
// cardea/permissions/v1; they are stored and sent, so they never change meaning.
type Reason int32

const (
	// ReasonUnspecified is not stated; never returned.
	ReasonUnspecified Reason = 0
	// ReasonGrant: granted, a grant holds. Grant names it, Schedule its schedule if it has one.
	ReasonGrant Reason = 1
	// ReasonNoGrant: denied, no grant names the person, or a group of theirs, and the door,
	// or a zone around it; also while a lockdown holds.
	ReasonNoGrant Reason = 2
	// ReasonOutsideSchedule: denied, a grant names them and is valid, but its schedule excludes the time.
	ReasonOutsideSchedule Reason = 3
	// ReasonNotYetValid: denied, a grant names them, but its validity has not begun.
	ReasonNotYetValid Reason = 4
	// ReasonExpired: denied, a grant names them, but its validity has ended.
	ReasonExpired Reason = 5
	// ReasonUnknownCredential: denied, the credential is not known to the organization.
	ReasonUnknownCredential Reason = 6
	// ReasonCredentialNotActive: denied, the credential was revoked or suspended.
	ReasonCredentialNotActive Reason = 7
	// ReasonUnknownDoor: denied, the door is not known, or not at this lock.
	ReasonUnknownDoor Reason = 8
	// ReasonLockdown: denied, a lockdown holds without which a grant of the person would
	// hold, or the door would stand open. Lockdown names it.
	ReasonLockdown Reason = 9
	// ReasonCopyTooOld: denied, the gateway's copy is older than it may be. Decide
	// never returns it: the gateway, which knows the age of its copy, does.
	ReasonCopyTooOld Reason = 10
	// ReasonBrokenFacts: denied, a grant might have held, but a fact that it depends on
	// is missing or contradicts itself: its schedule is not there, or the person's
	// groups, or the door's zones, are nested deeper than MaxGroupDepth.
	ReasonBrokenFacts Reason = 11
	// ReasonAutoUnlock: granted, the door stands open for everybody. Schedule names the schedule.
	ReasonAutoUnlock Reason = 12
	// ReasonUsesExhausted: denied, a grant names them, but has opened as often as it may.
	ReasonUsesExhausted Reason = 13
	// ReasonShareEnded: denied, a grant was shared with them, and whoever shared it does not hold it any more.
	ReasonShareEnded Reason = 14
	// ReasonAntiPassback: denied, the person is already inside the zone, or already outside. Zone names it.
	ReasonAntiPassback Reason = 15
	// ReasonFirstPersonNeeded: denied, somebody who may be the first has to arrive before.
	ReasonFirstPersonNeeded Reason = 16
	// ReasonSecondFactorNeeded: denied, the door asks for a second factor and none was presented.
	ReasonSecondFactorNeeded Reason = 17
	// ReasonSecondFactorWrong: denied, the second factor that was presented is wrong.
	ReasonSecondFactorWrong Reason = 18
	// ReasonSecondPersonNeeded: denied for now, a grant admits them, and the door waits for a second person.
	ReasonSecondPersonNeeded Reason = 19
	// ReasonStateUnknown: denied, the state that a rule needs cannot be read or written. Decide never returns
	// it: whoever keeps the State does.
	ReasonStateUnknown Reason = 20
)

// String is the name in the contract, without its prefix, e.g. `OUTSIDE_SCHEDULE`.
func (r Reason) String() string {
	switch r {
	case ReasonUnspecified:
		return "UNSPECIFIED"
	case ReasonGrant:
		return "GRANT"
	case ReasonNoGrant:
		return "NO_GRANT"
	case ReasonOutsideSchedule:
		return "OUTSIDE_SCHEDULE"
	case ReasonNotYetValid:
		return "NOT_YET_VALID"
	case ReasonExpired:
		return "EXPIRED"
	case ReasonUnknownCredential:
		return "UNKNOWN_CREDENTIAL"
	case ReasonCredentialNotActive:
		return "CREDENTIAL_NOT_ACTIVE"
	case ReasonUnknownDoor:
		return "UNKNOWN_DOOR"
	case ReasonLockdown:
		return "LOCKDOWN"
	case ReasonCopyTooOld:
		return "COPY_TOO_OLD"
	case ReasonBrokenFacts:
		return "BROKEN_FACTS"
	case ReasonAutoUnlock:
		return "AUTO_UNLOCK"
	case ReasonUsesExhausted:
		return "USES_EXHAUSTED"
	case ReasonShareEnded:
		return "SHARE_ENDED"
	case ReasonAntiPassback:
		return "ANTI_PASSBACK"
	case ReasonFirstPersonNeeded:
		return "FIRST_PERSON_NEEDED"
	case ReasonSecondFactorNeeded:
		return "SECOND_FACTOR_NEEDED"
	case ReasonSecondFactorWrong:
		return "SECOND_FACTOR_WRONG"
	case ReasonSecondPersonNeeded:
		return "SECOND_PERSON_NEEDED"
	case ReasonStateUnknown:
		return "STATE_UNKNOWN"
	default:
		return "REASON_" + strconv.Itoa(int(r))
	}
}

// Decision says what, why, and from which facts.
type Decision struct {
	Outcome Outcome
	Reason  Reason
	// Grant is the grant that decided; for a denial the one that came closest
	// (see Decide); empty where none did.
	Grant GrantID
	// Schedule is the schedule that decided: it admitted, excluded or was broken.
	// Empty where none did.
	Schedule ScheduleID
	// Lockdown is the lockdown that denied, or that the grant overrode; empty: none did.
	// Whoever has no grant at all is denied for that, and no lockdown is named.
	Lockdown LockdownID
	// Zone is the zone whose anti-passback denied or warned; empty where none did.
	Zone ZoneID
	// Warning is ReasonAntiPassback where a soft rule was broken and the door opened all
	// the same; otherwise ReasonUnspecified.
	Warning Reason
	// Conditions are, with Request.Entitled only, the reasons for which the door may still
	// deny, because the rule needs what is known only at the door; ascending.
	Conditions []Reason
	// Effects are what changes in the State, see Effect.
	Effects []Effect
}

// Deny is a denial that no grant took part in.
func Deny(reason Reason) Decision { return Decision{Outcome: Denied, Reason: reason} }
