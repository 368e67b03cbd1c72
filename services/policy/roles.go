package policy

import "time"

// RoleFacts is what is known about who administers an organization.
type RoleFacts interface {
	// GroupsOf is that of Facts: a role of a group is one of its members.
	GroupsOf(SubjectID) []GroupID
	// Roles returns the roles that name exactly this subject.
	Roles(SubjectID) []RoleAssignment
}

// RoleAssignment makes a person or a group administer an organization or a site of it.
type RoleAssignment struct {
	ID   string
	Role Role
	// Site restricts it to what belongs to one site; empty: the whole organization.
	Site SiteID
	// ValidFrom and ValidTo are as those of Grant.
	ValidFrom, ValidTo time.Time
}

// Role is what somebody may do as an administrator. The numbers are those of Role in
// cardea/permissions/v1.
type Role int32

const (
	// RoleUnspecified permits nothing.
	RoleUnspecified Role = 0
	// RoleOrgAdmin permits everything in the organization.
	RoleOrgAdmin Role = 1
	// RoleSiteManager permits to change places and who may open what, and to lock down.
	RoleSiteManager Role = 2
	// RoleInstaller permits to set up doors and locks, and nothing about people.
	RoleInstaller Role = 3
	// RoleAuditor permits to read everything, the past and the ledger too.
	RoleAuditor Role = 4
	// RoleViewer permits to read how things are now.
	RoleViewer Role = 5
)
