package rpc

import (
	"context"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
)

// GetStanding implements PermissionsService.
func (h *Handler) GetStanding(ctx context.Context, req *permissionsv1.GetStandingRequest) (*permissionsv1.GetStandingResponse, error) {
	p := h.parse()
	asked := grants.Token{
		Service: "permissions", Region: p.region("region", req.GetRegion()), Org: p.org(req.GetOrgId()), Version: req.GetVersion(),
	}
	if p.err != nil {
		return nil, p.err
	}
	standing, err := h.Standing.Standing(ctx, asked)
	if err != nil {
		return nil, err
	}
	head := asked
	head.Version = standing.Head
	out := &permissionsv1.GetStandingResponse{Token: wire(head)}
	for _, c := range standing.Crossings {
		out.Crossings = append(out.Crossings, &typev1.Crossing{
			Region: string(c.Target), Version: c.Version, Sent: c.Sent, Confirmed: c.Confirmed,
		})
	}
	return out, nil
}
