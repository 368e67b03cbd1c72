package policy

import (
	"maps"
	"slices"
	"time"
)

// Permit tells whether a person may do something as an administrator at the moment, and
// by which assignment: of several the one with the smallest id.
//
// permission is one that a call declares, e.g. `grants.write`. site is where; empty: in the
// organization as a whole, for which only an assignment without site counts. An assignment
// of a site counts there, for permissions about what belongs to a site. README.md has the
// table of roles. A permission that is not in it is permitted to nobody.
func Permit(facts RoleFacts, person PersonID, permission string, site SiteID, at time.Time) (assignment string, ok bool) {
	needs, known := permissions[permission]
	if !known || person == "" {
		return "", false
	}
	var room [subjectsOnStack]SubjectID
	subjects, _ := reach(SubjectID(person), room[:0], facts.GroupsOf) // groups beyond the depth permit nothing
	for _, subject := range subjects {
		for _, a := range facts.Roles(subject) {
			if needs.permittedTo(a.Role) && needs.covers(a.Site, site) && a.holds(at) && (!ok || a.ID < assignment) {
				assignment, ok = a.ID, true
			}
		}
	}
	return assignment, ok
}

// holds tells whether at is in [ValidFrom, ValidTo).
func (a *RoleAssignment) holds(at time.Time) bool {
	return !at.Before(a.ValidFrom) && (a.ValidTo.IsZero() || at.Before(a.ValidTo))
}

func (n needs) permittedTo(role Role) bool {
	return slices.Contains(n.roles, role)
}

// covers tells whether an assignment of a site (empty: of the organization) is one for
// what is asked about.
func (n needs) covers(assigned, asked SiteID) bool {
	return assigned == "" || assigned == asked && n.ofSite
}

// Holds lists what a role permits, ascending: of an assignment for the whole organization,
// or of a key.
func (r Role) Holds() []string {
	var held []string
	for permission, n := range permissions {
		if n.permittedTo(r) {
			held = append(held, permission)
		}
	}
	slices.Sort(held)
	return held
}

// Permissions lists every permission that Permit knows, ascending, also those that no
// role permits.
func Permissions() []string { return slices.Sorted(maps.Keys(permissions)) }
