package rpc

import (
	"context"
	"fmt"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/device"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/exposure"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// defaultExposures is how many locks a page has when the caller does not say.
const defaultExposures = 100

// ListExposures implements GatewayService. A page's token is its last device.
func (h *Handler) ListExposures(ctx context.Context, req *gatewayv1.ListExposuresRequest) (*gatewayv1.ListExposuresResponse, error) {
	org, err := h.Regions.Parse(req.GetOrgId(), region.Organization)
	if err != nil {
		return nil, err
	}
	home, err := h.Regions.Lookup(region.Name(req.GetRegion()))
	if err != nil {
		return nil, err
	}
	if after := req.GetPageToken(); after != "" {
		if _, err := h.Regions.Parse(after, region.Device); err != nil {
			return nil, fmt.Errorf("%w: page_token is none that was given out", device.ErrInvalid)
		}
	}
	limit := int(req.GetPageSize())
	if limit == 0 {
		limit = defaultExposures
	}
	page, next, err := h.Exposures.List(ctx, string(org), home.Name, req.GetPageToken(), limit)
	if err != nil {
		return nil, err
	}
	out := &gatewayv1.ListExposuresResponse{NextPageToken: next}
	for _, e := range page {
		out.Exposures = append(out.Exposures, exposureOf(e))
	}
	return out, nil
}

func exposureOf(e exposure.Exposure) *gatewayv1.Exposure {
	out := &gatewayv1.Exposure{DeviceId: e.Device, DoorId: e.Door}
	if !e.Until.IsZero() {
		out.Until = timestamppb.New(e.Until)
	}
	return out
}
