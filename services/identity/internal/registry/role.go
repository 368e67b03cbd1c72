package registry

import "slices"

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

// holders says which roles hold each permission of the protos besides the organization's administrator, who holds all of
// them. A test walks the protos: a permission that is not here fails it.
//
// Some choices: erasing a person cannot be undone, and API keys are how anybody gets permissions at all, so both are
// the administrator's. An installer does not open doors by remote. A viewer sees who may enter now, not who could in the past.
var holders = map[string][]Role{
	"organizations.read": {SiteManager, Installer, Auditor, Viewer},
	"people.read":        {SiteManager, Auditor},
	"people.write":       {SiteManager},
	"people.erase":       {},
	"credentials.read":   {SiteManager, Auditor},
	"credentials.write":  {SiteManager},
	"api_keys.write":     {},

	"sites.write":     {SiteManager},
	"zones.write":     {SiteManager},
	"schedules.write": {SiteManager},
	"groups.write":    {SiteManager},
	"grants.write":    {SiteManager},
	"grants.share":    {SiteManager},
	"lockdowns.write": {SiteManager},
	"roles.write":     {},
	"imports.write":   {SiteManager},
	"sites.read":      {SiteManager, Installer, Auditor, Viewer},
	"zones.read":      {SiteManager, Installer, Auditor, Viewer},
	"schedules.read":  {SiteManager, Installer, Auditor, Viewer},
	"groups.read":     {SiteManager, Auditor, Viewer},
	"grants.read":     {SiteManager, Auditor, Viewer},
	"lockdowns.read":  {SiteManager, Installer, Auditor, Viewer},
	"roles.read":      {SiteManager, Auditor},
	"access.check":    {SiteManager, Auditor, Viewer},
	"access.history":  {SiteManager, Auditor},

	"doors.read":    {SiteManager, Installer, Auditor, Viewer},
	"doors.write":   {SiteManager, Installer},
	"doors.unlock":  {SiteManager},
	"devices.read":  {SiteManager, Installer, Auditor, Viewer},
	"devices.write": {SiteManager, Installer},

	"ledger.read": {Auditor},
}

// Permissions are what a key of the role may do, sorted. An unknown role may do nothing.
func (r Role) Permissions() []string {
	var held []string
	for permission, roles := range holders {
		if r == OrgAdmin || slices.Contains(roles, r) {
			held = append(held, permission)
		}
	}
	slices.Sort(held)
	return held
}
