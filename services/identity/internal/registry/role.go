package registry

import (
	"slices"

	"github.com/cardea-mesh/cardea/services/policy"
)

// Role is a named set of permissions that a key holds in its organization, as the tables spell it.
type Role string

// The roles; see the proto's enum Role for what each is for.
const (
	OrgAdmin    Role = "org_admin"
	SiteManager Role = "site_manager"
	Installer   Role = "installer"
	Auditor     Role = "auditor"
	Viewer      Role = "viewer"
)

// operatorPermissions are those that no role of a tenant holds: they belong to the jurisdiction's operator.
var operatorPermissions = []string{"organizations.create"}

// ForOperators says whether a permission is one of an operator's own.
func ForOperators(permission string) bool { return slices.Contains(operatorPermissions, permission) }

// asAdministrator are the roles as package policy knows them: a key may do what a person with the same role may.
var asAdministrator = map[Role]policy.Role{
	OrgAdmin:    policy.RoleOrgAdmin,
	SiteManager: policy.RoleSiteManager,
	Installer:   policy.RoleInstaller,
	Auditor:     policy.RoleAuditor,
	Viewer:      policy.RoleViewer,
}

// Permissions are what a key of the role may do in its whole organization, sorted. An unknown role may do nothing.
func (r Role) Permissions() []string { return asAdministrator[r].Holds() }
