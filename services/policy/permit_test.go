package policy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
)

// admins is RoleFacts in maps.
type admins struct {
	groups map[policy.SubjectID][]policy.GroupID
	roles  map[policy.SubjectID][]policy.RoleAssignment
}

func (a admins) GroupsOf(s policy.SubjectID) []policy.GroupID     { return a.groups[s] }
func (a admins) Roles(s policy.SubjectID) []policy.RoleAssignment { return a.roles[s] }

func assigned(all ...policy.RoleAssignment) admins {
	return admins{roles: map[policy.SubjectID][]policy.RoleAssignment{"ana": all}}
}

func TestPermit(t *testing.T) {
	t.Parallel()
	site := func(role policy.Role) admins { return assigned(policy.RoleAssignment{ID: "r", Role: role, Site: "hq"}) }
	org := func(role policy.Role) admins { return assigned(policy.RoleAssignment{ID: "r", Role: role}) }
	hour := assigned(policy.RoleAssignment{ID: "r", Role: policy.RoleOrgAdmin, ValidFrom: now, ValidTo: now.Add(time.Hour)})
	for name, c := range map[string]struct {
		facts      admins
		permission string
		site       policy.SiteID
		at         time.Time
		want       bool
	}{
		"org admin anywhere":                  {org(policy.RoleOrgAdmin), "grants.write", "hq", now, true},
		"org admin in the organization":       {org(policy.RoleOrgAdmin), "people.erase", "", now, true},
		"admin of a site there":               {site(policy.RoleOrgAdmin), "roles.write", "hq", now, true},
		"admin of a site elsewhere":           {site(policy.RoleOrgAdmin), "grants.write", "lab", now, false},
		"admin of a site in the organization": {site(policy.RoleOrgAdmin), "grants.write", "", now, false},
		"admin of a site about people":        {site(policy.RoleOrgAdmin), "people.write", "hq", now, false},
		"manager locks down":                  {site(policy.RoleSiteManager), "lockdowns.write", "hq", now, true},
		"manager of a site changes no group":  {site(policy.RoleSiteManager), "groups.write", "hq", now, false},
		"manager of all sites changes groups": {org(policy.RoleSiteManager), "groups.write", "", now, true},
		"manager erases nobody":               {org(policy.RoleSiteManager), "people.erase", "", now, false},
		"manager appoints nobody":             {site(policy.RoleSiteManager), "roles.write", "hq", now, false},
		"installer sets up doors":             {site(policy.RoleInstaller), "doors.write", "hq", now, true},
		"installer knows nobody":              {org(policy.RoleInstaller), "people.read", "", now, false},
		"installer lets nobody in":            {site(policy.RoleInstaller), "grants.write", "hq", now, false},
		"auditor reads the past":              {org(policy.RoleAuditor), "access.history", "", now, true},
		"auditor reads the ledger":            {org(policy.RoleAuditor), "ledger.read", "", now, true},
		"auditor of a site reads no ledger":   {site(policy.RoleAuditor), "ledger.read", "hq", now, false},
		"auditor changes nothing":             {org(policy.RoleAuditor), "grants.write", "", now, false},
		"viewer reads":                        {site(policy.RoleViewer), "grants.read", "hq", now, true},
		"viewer does not read the past":       {org(policy.RoleViewer), "access.history", "", now, false},
		"a service's permission is no role's": {org(policy.RoleOrgAdmin), "mesh.receive", "", now, false},
		"the operator's neither":              {org(policy.RoleOrgAdmin), "organizations.create", "", now, false},
		"a permission that is not there":      {org(policy.RoleOrgAdmin), "doors.paint", "", now, false},
		"no role":                             {org(policy.RoleUnspecified), "sites.read", "", now, false},
		"a role of a later version":           {org(99), "sites.read", "", now, false},
		"its first moment":                    {hour, "sites.write", "", now, true},
		"before":                              {hour, "sites.write", "", now.Add(-1), false},
		"its end":                             {hour, "sites.write", "", now.Add(time.Hour), false},
	} {
		id, got := policy.Permit(c.facts, "ana", c.permission, c.site, c.at)
		if got != c.want || got != (id == "r") {
			t.Errorf("%s: %q, %v", name, id, got)
		}
	}
}

func TestPermitThroughGroups(t *testing.T) {
	t.Parallel()
	facts := admins{
		groups: map[policy.SubjectID][]policy.GroupID{"ana": {"leads"}, "leads": {"board", "leads"}, "board": {"leads"}},
		roles: map[policy.SubjectID][]policy.RoleAssignment{
			"board": {{ID: "b", Role: policy.RoleOrgAdmin}, {ID: "a", Role: policy.RoleViewer}},
			"leads": {{ID: "c", Role: policy.RoleViewer}},
			"":      {{ID: "nobody", Role: policy.RoleOrgAdmin}},
		},
	}
	if id, ok := policy.Permit(facts, "ana", "sites.read", "hq", now); !ok || id != "a" {
		t.Errorf("the smallest id of those that permit: %q, %v", id, ok)
	}
	if id, ok := policy.Permit(facts, "ana", "sites.write", "", now); !ok || id != "b" {
		t.Errorf("an admin by a group in a group: %q, %v", id, ok)
	}
	if id, ok := policy.Permit(facts, "", "sites.read", "", now); ok {
		t.Errorf("nobody holds nothing: %q", id)
	}
	far := admins{groups: map[policy.SubjectID][]policy.GroupID{}, roles: map[policy.SubjectID][]policy.RoleAssignment{}}
	member := policy.SubjectID("ana")
	for i := range policy.MaxGroupDepth + 1 {
		group := policy.GroupID(fmt.Sprint("g", i))
		far.groups[member] = []policy.GroupID{group}
		member = policy.SubjectID(group)
	}
	far.roles[member] = []policy.RoleAssignment{{ID: "far", Role: policy.RoleOrgAdmin}}
	if _, ok := policy.Permit(far, "ana", "sites.read", "", now); ok {
		t.Error("a group beyond the depth permits")
	}
}
