package policy

// needs is who is permitted something.
type needs struct {
	roles []Role
	// ofSite: it is about what belongs to one site; otherwise only an assignment of the
	// whole organization counts.
	ofSite bool
}

// The sets of roles that permissions go to. RoleOrgAdmin is in each.
func admins() []Role { return []Role{RoleOrgAdmin} }

func managers() []Role { return []Role{RoleOrgAdmin, RoleSiteManager} }

func builders() []Role { return []Role{RoleOrgAdmin, RoleSiteManager, RoleInstaller} }

func auditors() []Role { return []Role{RoleOrgAdmin, RoleAuditor} }

func historians() []Role { return []Role{RoleOrgAdmin, RoleSiteManager, RoleAuditor} }

func readers() []Role {
	return []Role{RoleOrgAdmin, RoleSiteManager, RoleAuditor, RoleViewer}
}

func everyone() []Role {
	return []Role{RoleOrgAdmin, RoleSiteManager, RoleInstaller, RoleAuditor, RoleViewer}
}

// permissions is the closed table of what roles permit, by the permissions that the
// contracts declare. Those of services (`mesh.*`) and of the operator go to no role.
var permissions = map[string]needs{
	// What belongs to a site.
	"sites.read":      {everyone(), true},
	"sites.write":     {managers(), true},
	"doors.read":      {everyone(), true},
	"doors.write":     {builders(), true},
	"doors.unlock":    {managers(), true},
	"devices.read":    {everyone(), true},
	"devices.write":   {builders(), true},
	"devices.command": {builders(), true},
	"zones.read":      {everyone(), true},
	"zones.write":     {managers(), true},
	"schedules.read":  {everyone(), true},
	"schedules.write": {managers(), true},
	"grants.read":     {readers(), true},
	"grants.write":    {managers(), true},
	"grants.share":    {managers(), true},
	"lockdowns.read":  {everyone(), true},
	"lockdowns.write": {managers(), true},
	"access.check":    {readers(), true},
	"access.history":  {historians(), true},
	"roles.read":      {auditors(), true},
	"roles.write":     {admins(), true},

	// What belongs to the organization: a group may open doors of any site.
	"organizations.read": {everyone(), false},
	"groups.read":        {readers(), false},
	"groups.write":       {managers(), false},
	"people.read":        {historians(), false},
	"people.write":       {managers(), false},
	"people.erase":       {admins(), false},
	"credentials.read":   {historians(), false},
	"credentials.write":  {managers(), false},
	"api_keys.write":     {admins(), false},
	"imports.write":      {managers(), false},
	"ledger.read":        {auditors(), false},

	// What no role permits: the operator makes organizations, services call each other.
	"organizations.create": {},
	"mesh.authenticate":    {},
	"mesh.deliver_command": {},
	"mesh.follow":          {},
	"mesh.receive":         {},
	"mesh.standing":        {},
	"mesh.wait_applied":    {},
}
