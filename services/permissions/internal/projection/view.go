package projection

import (
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// View is an organization as it was at one moment.
type View struct {
	*state
	service string
}

// Facts are those of every moment from Latest on.
func (v View) Facts() policy.Facts { return v.state }

// RoleFacts are those of every moment from Latest on.
func (v View) RoleFacts() policy.RoleFacts { return v.state }

// Latest is when the latest of the commits that it is made of was recorded. For an earlier moment it is no answer.
func (v View) Latest() time.Time { return v.latest }

// Revision names the commit up to which it has a region. A region of another jurisdiction has version 0.
func (v View) Revision(home region.Name) grants.Token {
	version, _ := v.version(home)
	return grants.Token{Service: v.service, Region: home, Org: v.org, Version: version}
}

// HasSite says whether there is such a site now.
func (v View) HasSite(id region.ID) bool {
	_, ok := v.sites.get(policy.SiteID(id))
	return ok
}

// HasDoor says whether there is such a door now.
func (v View) HasDoor(id region.ID) bool {
	_, ok := v.doors.get(policy.DoorID(id))
	return ok
}
