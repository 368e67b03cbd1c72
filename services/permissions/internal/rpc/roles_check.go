package rpc

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"connectrpc.com/connect"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// CheckRole implements PermissionsService. Assignments count wherever in the jurisdiction they are kept.
func (h *Handler) CheckRole(ctx context.Context, req *permissionsv1.CheckRoleRequest) (*permissionsv1.CheckRoleResponse, error) {
	p := h.parse()
	q := grants.Question{Org: p.org(req.GetOrgId()), Person: p.id("person_id", req.GetPersonId(), region.Person), At: p.time("at", req.GetAt())}
	q.AtLeast = p.atLeast(req.GetAtLeast(), q.Org)
	site := p.optional("site_id", req.GetSiteId(), region.Site)
	home := p.home(site)
	if !slices.Contains(policy.Permissions(), req.GetPermission()) {
		p.fail("permission", fmt.Errorf("%w: no call declares %q", grants.ErrInvalid, req.GetPermission()))
	}
	switch {
	case (site == "") == (req.GetRegion() == ""):
		p.fail("site_id, region", fmt.Errorf("%w: exactly one of the two must be set", grants.ErrInvalid))
	case site == "":
		home = p.region("region", req.GetRegion())
	}
	if p.err != nil {
		return nil, p.err
	}
	view, err := h.view(ctx, &q)
	switch {
	case errors.Is(err, errAskTheRows):
		return nil, errNoPastOfRoles
	case err != nil:
		return nil, err
	case site != "" && !view.HasSite(site):
		return nil, grants.NotFound(site)
	}
	out := &permissionsv1.CheckRoleResponse{Revision: wire(view.Revision(home))}
	out.RoleId, out.Permitted = policy.Permit(view.RoleFacts(), policy.PersonID(q.Person), req.GetPermission(), policy.SiteID(site), q.At)
	return out, nil
}

// errNoPastOfRoles: who administered in the past is in the events, and an organization that does not fit into memory has no
// other way yet.
var errNoPastOfRoles = fault.New(connect.CodeFailedPrecondition, faultv1.Reason_REASON_STATE_FORBIDS,
	"roles are answered from memory only: ask about a moment after the organization's last change, and give projection.max_bytes room for the organization")
