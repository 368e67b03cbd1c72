package rpc

import (
	"context"

	"connectrpc.com/connect"
	"github.com/cardea-mesh/cardea/services/identity/internal/registrar"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/jackc/pgx/v5"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
)

// GetStanding tells a service how far identity is with an organization in a region, and whom its commits have called.
func (h *Handler) GetStanding(ctx context.Context, req *identityv1.GetStandingRequest) (*identityv1.GetStandingResponse, error) {
	org, in, err := h.orgAndRegion(req.GetOrgId(), req.GetRegion())
	if err != nil {
		return nil, err
	}
	var head *registrar.Token
	var crossings []outbox.Crossing
	err = h.db.Read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		head, crossings, err = h.registrar.Standing(ctx, tx, org, in, req.GetVersion())
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &identityv1.GetStandingResponse{Token: head}
	for _, c := range crossings {
		out.Crossings = append(out.Crossings, &typev1.Crossing{
			Region: string(c.Target), Version: c.Version, Sent: c.Sent, Confirmed: c.Confirmed,
		})
	}
	return out, nil
}

// ConfirmCrossing records that another region has in force what it was sent. Another jurisdiction may not say so of itself:
// whoever asks for enforcement here has asked over there.
func (h *Handler) ConfirmCrossing(ctx context.Context, req *identityv1.ConfirmCrossingRequest) (*identityv1.ConfirmCrossingResponse, error) {
	org, in, err := h.orgAndRegion(req.GetOrgId(), req.GetRegion())
	if err != nil {
		return nil, err
	}
	follower, err := h.regions.Lookup(region.Name(req.GetFollowerRegion()))
	if err != nil {
		return nil, err
	}
	if peer := rpc.CallerFrom(ctx).Region; !h.regions.Together(peer, in) {
		return nil, fault.New(connect.CodePermissionDenied, faultv1.Reason_REASON_MISSING_PERMISSION,
			"a service of region %s may not confirm what region %s has sent", peer, in)
	}
	err = h.db.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return h.registrar.ConfirmCrossing(ctx, tx, org, in, follower.Name, req.GetVersion())
	})
	return &identityv1.ConfirmCrossingResponse{}, err
}

func (h *Handler) orgAndRegion(orgID, name string) (region.ID, region.Name, error) {
	org, err := h.regions.Parse(orgID, region.Organization)
	if err != nil {
		return "", "", err
	}
	in, err := h.regions.Lookup(region.Name(name))
	return org, in.Name, err
}
