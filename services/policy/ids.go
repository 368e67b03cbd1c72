package policy

// Ids are opaque here: policy compares them and never parses them. They are the
// whole text of the ids that the services use, e.g. `door_euc_01jd...`.
type (
	// SiteID names a building.
	SiteID string
	// DoorID names a door.
	DoorID string
	// ZoneID names a set of doors and zones.
	ZoneID string
	// TargetID is what a grant opens, a DoorID or a ZoneID; a lockdown may also have a SiteID.
	TargetID string
	// PersonID names a person.
	PersonID string
	// GroupID names a group of people and groups.
	GroupID string
	// SubjectID is whom a grant admits: a PersonID or a GroupID.
	SubjectID string
	// GrantID names a grant. Ids are compared as text where a tie must be broken.
	GrantID string
	// ScheduleID names a schedule.
	ScheduleID string
	// LockdownID names a lockdown.
	LockdownID string
	// CredentialID names a credential.
	CredentialID string
)
