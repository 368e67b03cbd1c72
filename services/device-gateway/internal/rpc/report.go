package rpc

import (
	"context"
	"errors"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/device"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// GetDeviceReport implements GatewayService.
func (h *Handler) GetDeviceReport(ctx context.Context, req *gatewayv1.GetDeviceReportRequest) (*gatewayv1.DeviceReport, error) {
	_, id, err := h.ids(req.GetOrgId(), req.GetDeviceId(), region.Device)
	if err != nil {
		return nil, err
	}
	d, err := h.enrolled(req.GetOrgId(), string(id))
	if err != nil {
		return nil, err
	}
	if out, err := h.report(d.ID); !errors.Is(err, device.ErrOffline) {
		return out, err
	}
	return elsewhere(ctx, h, func(ctx context.Context, r region.Name, g Gateway) (*gatewayv1.DeviceReport, error) {
		return g.ObserveDevice(ctx, &gatewayv1.ObserveDeviceRequest{OrgId: d.Org, Region: string(r), DeviceId: d.ID})
	})
}

// ObserveDevice implements GatewayService: only for locks that are connected here, and gateways of this jurisdiction.
func (h *Handler) ObserveDevice(ctx context.Context, req *gatewayv1.ObserveDeviceRequest) (*gatewayv1.DeviceReport, error) {
	if err := h.ofJurisdiction(ctx); err != nil {
		return nil, err
	}
	d, err := h.enrolled(req.GetOrgId(), req.GetDeviceId())
	if err != nil {
		return nil, err
	}
	return h.report(d.ID)
}

func (h *Handler) report(id string) (*gatewayv1.DeviceReport, error) {
	r, ok := h.Sessions.Report(id)
	if !ok {
		return nil, device.ErrOffline
	}
	out := &gatewayv1.DeviceReport{
		DeviceId: id, GatewayId: string(h.ID), ConnectedSince: timestamppb.New(r.ConnectedSince), Firmware: r.Firmware, Model: r.Model,
		Capabilities: r.Capabilities, BootEpoch: r.BootEpoch, Door: r.Door, CertificateNotAfter: timestamppb.New(r.CertificateNotAfter),
	}
	if r.Door != nil {
		out.DoorReportedAt = timestamppb.New(r.DoorAt)
	}
	if out.BundleVersion = r.BundleVersion; !r.BundleUntil.IsZero() {
		out.BundleUntil = timestamppb.New(r.BundleUntil)
	}
	return out, nil
}
