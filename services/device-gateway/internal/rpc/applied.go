package rpc

import (
	"context"
	"fmt"
	"slices"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/device"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/postgres"
)

const (
	// appliedPoll is how often the table is asked while somebody waits.
	appliedPoll = 10 * time.Millisecond
	// answerMargin is left of the caller's deadline, so that they hear who is pending and not only that time is up.
	answerMargin = 200 * time.Millisecond
)

// WaitApplied implements GatewayService.
func (h *Handler) WaitApplied(ctx context.Context, req *gatewayv1.WaitAppliedRequest) (*gatewayv1.WaitAppliedResponse, error) {
	token := req.GetToken()
	if token.GetOrgId() != req.GetOrgId() || token.GetRegion() != req.GetRegion() {
		return nil, fmt.Errorf("%w: the token names another organization or region than the request", device.ErrInvalid)
	}
	timeout := req.GetTimeout().AsDuration()
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline)-answerMargin)
	}
	end := time.NewTimer(max(0, timeout))
	defer end.Stop()
	ticker := time.NewTicker(appliedPoll)
	defer ticker.Stop()
	for {
		all, err := h.Store.Applied(ctx, token)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(all, func(s postgres.Status) bool { return !s.Applied }) {
			return statuses(all), nil
		}
		select {
		case <-ticker.C:
		case <-end.C:
			return statuses(all), nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func statuses(all []postgres.Status) *gatewayv1.WaitAppliedResponse {
	out := new(gatewayv1.WaitAppliedResponse)
	for _, s := range all {
		out.Gateways = append(out.Gateways, &gatewayv1.GatewayStatus{
			GatewayId: string(s.ID), Region: string(s.Region), Version: s.Version, Applied: s.Applied,
		})
	}
	return out
}
