package rpc

import (
	"context"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// ShareGrant implements PermissionsService.
func (h *Handler) ShareGrant(ctx context.Context, req *permissionsv1.ShareGrantRequest) (*permissionsv1.ShareGrantResponse, error) {
	p := h.parse()
	share := grants.Share{
		Org:        p.org(req.GetOrgId()),
		Grant:      p.id("grant_id", req.GetGrantId(), region.Grant),
		Sharer:     p.id("sharer_id", req.GetSharerId(), region.Person),
		Recipient:  p.id("recipient_id", req.GetRecipientId(), region.Person),
		Target:     p.optional("target_id", req.GetTargetId(), region.Door, region.Zone),
		Validity:   p.validity(req),
		MaxUses:    int(req.GetMaxUses()),
		ShareDepth: int(req.GetShareDepth()),
	}
	if p.err != nil {
		return nil, p.err
	}
	out := &permissionsv1.ShareGrantResponse{}
	err := h.create(ctx, permissionsv1connect.PermissionsServiceShareGrantProcedure, p.home(share.Grant), share.Org, req.GetIdempotencyKey(), req, out,
		func(ctx context.Context, tx grants.Tx) (region.ID, error) {
			made, err := h.Commands.ShareGrant(ctx, tx, share)
			out.GrantId, out.Token = string(made.ID), wire(made.Token)
			return made.ID, err
		})
	return out, err
}
