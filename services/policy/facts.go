package policy

import "time"

// Facts is what is known about one organization at one moment, as far as one
// decision needs it. Decide calls it a few times per decision, so each method
// should be a look-up. Returned slices are read only and are not kept.
//
// The caller answers for the choice: facts of another organization, revoked
// grants and ended memberships are not supplied.
type Facts interface {
	// Door returns a door; false when it is not known.
	Door(DoorID) (Door, bool)
	// GroupsOf returns the groups of which the person or group is directly a
	// member, in any order; doubles and cycles do no harm.
	GroupsOf(SubjectID) []GroupID
	// Grants returns the grants that name exactly this subject and exactly this
	// target, in any order: no groups and zones resolved, no times considered.
	// Subject and Target of the returned grants are not read.
	Grants(SubjectID, TargetID) []Grant
	// Schedule returns a schedule; false when it is not known, or could not be
	// made with [NewSchedule]: a grant that names it then does not hold.
	Schedule(ScheduleID) (*Schedule, bool)
}

// Door is something that a lock closes.
type Door struct {
	ID DoorID
	// Zones are the zones that it is in; a grant of one of them is a grant of the door.
	Zones []ZoneID
}

// Grant lets a subject open a target.
type Grant struct {
	ID      GrantID
	Subject SubjectID
	Target  TargetID
	// Schedule restricts it to some hours; empty: it holds at all times.
	Schedule ScheduleID
	// ValidFrom is the first moment at which it holds; zero: since ever.
	ValidFrom time.Time
	// ValidTo is the first moment at which it does not hold any more; zero: no end.
	// Not after ValidFrom: it never holds.
	ValidTo time.Time
}

// CredentialStatus tells whether a credential opens doors. The numbers are those
// of CredentialStatus in cardea/identity/v1. A number that is not listed here is
// a status that this build does not know; it counts as not active.
type CredentialStatus int32

const (
	// CredentialUnknown is the zero value: the organization knows no such credential.
	CredentialUnknown CredentialStatus = 0
	// CredentialActive opens doors where a grant says so.
	CredentialActive CredentialStatus = 1
	// CredentialRevoked ended for ever.
	CredentialRevoked CredentialStatus = 2
)

// CredentialFact is what is known about the credential that was presented.
type CredentialFact struct {
	// ID is for the reader of a decision; Decide does not look at it. Empty when unknown.
	ID     CredentialID
	Status CredentialStatus
}
