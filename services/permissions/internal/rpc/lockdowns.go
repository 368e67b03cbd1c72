package rpc

import (
	"context"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	"github.com/cardea-mesh/cardea/services/permissions/internal/contract"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// StartLockdown implements PermissionsService.
func (h *Handler) StartLockdown(ctx context.Context, req *permissionsv1.StartLockdownRequest) (*permissionsv1.StartLockdownResponse, error) {
	p := h.parse()
	lockdown := grants.Lockdown{
		Org: p.org(req.GetOrgId()), Target: p.id("target_id", req.GetTargetId(), region.Door, region.Zone, region.Site),
		Rank: int(req.GetRank()), Note: req.GetNote(),
	}
	if p.err != nil {
		return nil, p.err
	}
	out := &permissionsv1.StartLockdownResponse{}
	err := h.create(ctx, permissionsv1connect.PermissionsServiceStartLockdownProcedure, p.home(lockdown.Target), lockdown.Org, req.GetIdempotencyKey(), req, out,
		func(ctx context.Context, tx grants.Tx) (region.ID, error) {
			made, err := h.Commands.StartLockdown(ctx, tx, lockdown, req.GetDuration().AsDuration())
			out.LockdownId, out.Token = string(made.ID), wire(made.Token)
			return made.ID, err
		}, lockdown.Target)
	return out, err
}

// EndLockdown implements PermissionsService.
func (h *Handler) EndLockdown(ctx context.Context, req *permissionsv1.EndLockdownRequest) (*permissionsv1.DeleteResponse, error) {
	p := h.parse()
	org, id := p.org(req.GetOrgId()), p.id("lockdown_id", req.GetLockdownId(), region.Lockdown)
	return h.remove(ctx, p, org, id, func(ctx context.Context, tx grants.Tx) (grants.Token, error) {
		return h.Commands.EndLockdown(ctx, tx, org, id)
	})
}

// ListLockdowns implements PermissionsService. Whether one has ended by itself is judged by the service's clock.
func (h *Handler) ListLockdowns(ctx context.Context, req *permissionsv1.ListLockdownsRequest) (*permissionsv1.ListLockdownsResponse, error) {
	p := h.parse()
	home, now := p.region("region", req.GetRegion()), grants.Instant(h.Now())
	found, next, err := list(ctx, h, p, req, contract.Lockdown, func(l grants.Lockdown) region.ID { return l.ID },
		func(ctx context.Context, r grants.Reader, org region.ID, after string, limit int) ([]grants.Lockdown, error) {
			return r.ListLockdowns(ctx, home, org, now, after, limit)
		})
	if err != nil {
		return nil, err
	}
	return &permissionsv1.ListLockdownsResponse{Lockdowns: found, NextPageToken: next}, nil
}
