package rpc

import (
	"context"
	"fmt"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/enforcement"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const defaultWait = 10 * time.Second

// WaitEnforced implements PermissionsService.
func (h *Handler) WaitEnforced(ctx context.Context, req *permissionsv1.WaitEnforcedRequest) (*permissionsv1.WaitEnforcedResponse, error) {
	commit, err := h.commitOf(req)
	if err != nil {
		return nil, err
	}
	// A commit that is not there would be waited for in vain.
	err = h.Store.Read(ctx, func(ctx context.Context, r grants.Reader) error { return r.Fresh(ctx, []grants.Token{commit}) })
	if err != nil {
		return nil, err
	}
	timeout := defaultWait
	if req.GetTimeout() != nil {
		timeout = req.GetTimeout().AsDuration()
	}
	report, err := h.Waiter.Wait(ctx, commit, timeout)
	if err != nil {
		return nil, err
	}
	out := &permissionsv1.WaitEnforcedResponse{
		Enforced: report.Enforced, Applied: applied(report.Applied), PendingGateways: applied(report.Pending),
	}
	for _, name := range report.PendingRegions {
		out.PendingRegions = append(out.PendingRegions, string(name))
	}
	for _, e := range report.Exposures {
		exposure := &permissionsv1.Exposure{DoorId: string(e.Door), DeviceId: string(e.Device)}
		if !e.Until.IsZero() {
			exposure.Until = timestamppb.New(e.Until)
		}
		out.Exposures = append(out.Exposures, exposure)
	}
	return out, nil
}

func (h *Handler) commitOf(req *permissionsv1.WaitEnforcedRequest) (grants.Token, error) {
	p := h.parse()
	home := p.region("region", req.GetRegion())
	commit := p.token("token", req.GetToken(), p.org(req.GetOrgId()))
	switch {
	case commit.Region != home:
		p.fail("token.region", fmt.Errorf("%w: not the region of the request", grants.ErrInvalid))
	case commit.Service != "permissions" && commit.Service != "identity":
		p.fail("token.service", fmt.Errorf("%w: only commits of permissions and identity are enforced at doors", grants.ErrInvalid))
	case commit.Version == 0:
		p.fail("token.version", fmt.Errorf("%w: names no commit", grants.ErrInvalid))
	}
	return commit, p.err
}

func applied(all []enforcement.Gateway) []*permissionsv1.GatewayApplied {
	var out []*permissionsv1.GatewayApplied
	for _, g := range all {
		out = append(out, &permissionsv1.GatewayApplied{GatewayId: string(g.ID), Region: string(g.Region), Version: g.Version})
	}
	return out
}
