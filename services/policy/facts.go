package policy

import "time"

// Facts is what is known about one organization at one moment, as far as one
// decision needs it. Decide calls it a few times per decision, so each method
// should be a look-up. Returned slices are read only and are not kept.
//
// The caller answers for the choice: facts of another organization, revoked
// grants, ended memberships and ended lockdowns are not supplied.
type Facts interface {
	// Door returns a door; false when it is not known.
	Door(DoorID) (Door, bool)
	// Zone returns a zone; false when it is not known: it then has no parents and no rules.
	Zone(ZoneID) (Zone, bool)
	// GroupsOf returns the groups of which the person or group is directly a
	// member, in any order; doubles and cycles do no harm.
	GroupsOf(SubjectID) []GroupID
	// Grants returns the grants that name exactly this subject and exactly this
	// target, in any order: no groups and zones resolved, no times considered.
	// Subject and Target of the returned grants are not read.
	Grants(SubjectID, TargetID) []Grant
	// Grant returns a grant by its id; false when it is not known, or revoked. It is asked
	// for what a shared grant was shared from: all its fields are read, Subject and Target
	// too. Whoever loads facts for one question must load these as well, up to
	// MaxShareDepth of them in a row, with the schedules that they name and the groups of
	// their sharers.
	Grant(GrantID) (Grant, bool)
	// Schedule returns a schedule; false when it is not known, or could not be
	// made with [NewSchedule]: a grant that names it then does not hold.
	Schedule(ScheduleID) (*Schedule, bool)
	// Lockdowns returns the lockdowns of exactly this door, zone or site, in any order.
	Lockdowns(TargetID) []Lockdown
}

// Door is something that a lock closes.
type Door struct {
	ID DoorID
	// Site is the building; a lockdown of it is one of the door.
	Site SiteID
	// Zones are the zones that it is directly in; a grant of one of them, or of a zone
	// around one, is a grant of the door.
	Zones []ZoneID
	// Rules are what the door asks beyond a grant.
	Rules DoorRules
}

// DoorRules are what a door asks beyond a grant. The zero value asks nothing.
type DoorRules struct {
	// AutoUnlock is the schedule during which the door stands open for everybody; empty: never.
	AutoUnlock ScheduleID
	// FirstPerson asks for somebody to arrive first; nil: nobody has to.
	FirstPerson *FirstPerson
	// SecondFactor asks for a second factor (a PIN besides a card); nil: no.
	SecondFactor *SecondFactor
	// TwoPersonWindow asks for two different people, each admitted by a grant, the second
	// at most so long after the first, both ends included; 0: one is enough.
	TwoPersonWindow time.Duration
}

// FirstPerson is the first-person-in rule: a piece of a schedule begins to count only
// when somebody has arrived.
type FirstPerson struct {
	// Subject is who may be the first: a person or a group. Empty: whoever a grant admits.
	Subject SubjectID
	// Schedule says in which pieces of time (see Schedule.Interval) a first person is
	// waited for; empty: in those of AutoUnlock.
	Schedule ScheduleID
	// Grace is how long before a piece begins an arrival already counts for it.
	Grace time.Duration
	// HoldOthers: inside a piece, until a first person has arrived, nobody else is admitted.
	// False: only the door's standing open waits.
	HoldOthers bool
}

// SecondFactor says when one credential is not enough.
type SecondFactor struct {
	// Schedule says when; empty: at all times.
	Schedule ScheduleID
}

// Zone is a set of doors, and of zones: all doors of a zone inside it are its doors.
type Zone struct {
	ID ZoneID
	// Parents are the zones that it is directly in. Cycles do no harm.
	Parents []ZoneID
	// AntiPassback is the rule at the zone's own doors; nil: none.
	AntiPassback *AntiPassback
}

// AntiPassback keeps a credential from being handed back: who is inside cannot enter
// once more, who is outside cannot leave. The doors that are directly in the zone are its
// border: passing one with DirectionEntry enters, with DirectionExit leaves.
type AntiPassback struct {
	Mode AntiPassbackMode
	// ResetAfter is how long it is remembered that somebody entered or left, its end not
	// included; 0: for ever.
	ResetAfter time.Duration
}

// AntiPassbackMode says what a violation costs. The numbers are those of
// AntiPassbackMode in cardea/permissions/v1.
type AntiPassbackMode int32

const (
	// AntiPassbackUnspecified is no valid mode; it counts as AntiPassbackHard.
	AntiPassbackUnspecified AntiPassbackMode = 0
	// AntiPassbackHard denies.
	AntiPassbackHard AntiPassbackMode = 1
	// AntiPassbackSoft admits, and the Decision carries a warning.
	AntiPassbackSoft AntiPassbackMode = 2
)

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
	// MaxUses is how often it opens in all, by all whom it names and by all shares of it;
	// 0: without limit, 1: once. Negative: never.
	MaxUses int
	// OverrideRank: it opens in lockdowns of at most this rank, 1 to MaxOverrideRank; 0, or
	// any other number: in none. A share has at most that of what it was shared from.
	OverrideRank int
	// SharedFrom is the grant of which this is a share: it holds only while that one
	// holds for Sharer. Empty: not a share.
	SharedFrom GrantID
	// Sharer is the person who shared.
	Sharer PersonID
}

// MaxOverrideRank is the highest rank of a grant; a lockdown of a higher rank has no
// override holders: nobody opens.
const MaxOverrideRank = 9

// MaxLockdownRank is the highest rank of a lockdown.
const MaxLockdownRank = MaxOverrideRank + 1

// MaxShareDepth is through how many shares a shared grant is followed back.
const MaxShareDepth = 4

// Lockdown keeps a door, a zone or a site closed, for all but grants whose
// OverrideRank is at least Rank.
type Lockdown struct {
	ID LockdownID
	// Rank is 1 to MaxLockdownRank; anything else counts as MaxLockdownRank.
	Rank int
	// From is when it begins; zero: it has begun.
	From time.Time
	// Until is when it ends by itself, not included; zero: when somebody ends it.
	Until time.Time
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
