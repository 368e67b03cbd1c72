// Package rpc answers GatewayService: it reads requests, calls the store, the local copy and the live sessions, and writes
// answers. What callers may do was settled by the platform's server before.
//
// A Handler is safe for concurrent use.
package rpc

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1/gatewayv1connect"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/device"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/exposure"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/postgres"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/session"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/region"
	platformrpc "github.com/cardea-mesh/cardea/services/platform/rpc"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Store keeps devices and gateways. postgres.Store is one.
type Store interface {
	Create(ctx context.Context, n postgres.NewDevice) (*gatewayv1.CreateDeviceResponse, error)
	Get(ctx context.Context, org, id region.ID) (device.Device, error)
	Revoke(ctx context.Context, org, id region.ID) (*typev1.ConsistencyToken, error)
	Applied(ctx context.Context, token *typev1.ConsistencyToken) ([]postgres.Status, error)
}

// Doors is what the local copy knows of doors and their devices. access.Copy is one.
type Doors interface {
	WaitSite(ctx context.Context, org, door string) (site string, ok bool)
	DevicesOf(org, door string) []access.Device
	Device(id string) (d access.Device, known, removed bool)
	UnlockFor(org, door string) (time.Duration, bool)
}

// Sessions are the locks that are connected here. session.Hub is one.
type Sessions interface {
	Connected(device string) bool
	Command(ctx context.Context, o session.Order) (*lockwirev1.CommandResult, error)
	Report(device string) (session.Report, bool)
}

// Exposures say which locks may decide alone from what has ended. exposure.Book is one.
type Exposures interface {
	Has(token *typev1.ConsistencyToken) bool
	After(ctx context.Context, token *typev1.ConsistencyToken, until time.Time, may func(device string) bool) ([]exposure.Exposure, error)
	List(ctx context.Context, org string, home region.Name, after string, limit int) ([]exposure.Exposure, string, error)
}

// Handler answers GatewayService; all fields are required.
type Handler struct {
	Store      Store
	Doors      Doors
	Sessions   Sessions
	Neighbours Neighbours
	Exposures  Exposures
	Orders     Orders
	Regions    *region.Map
	Own        region.Region
	ID         region.ID // this gateway's
	Logger     *slog.Logger
	Now        func() time.Time
}

var _ gatewayv1connect.GatewayServiceHandler = (*Handler)(nil)

// doorWait is how long CreateDevice waits for a door that was made a moment ago to reach the local copy.
const doorWait = 3 * time.Second

// CreateDevice implements GatewayService. The door's site comes from the local copy of the access state, which has every
// door of the jurisdiction: so a device can be made while permissions is down.
func (h *Handler) CreateDevice(ctx context.Context, req *gatewayv1.CreateDeviceRequest) (*gatewayv1.CreateDeviceResponse, error) {
	org, door, err := h.ids(req.GetOrgId(), req.GetDoorId(), region.Door)
	if err != nil {
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, doorWait)
	defer cancel()
	site, ok := h.Doors.WaitSite(wait, string(org), string(door))
	if !ok {
		return nil, fmt.Errorf("%w: %s", device.ErrDoorNotFound, door)
	}
	home, err := h.Regions.Home(door)
	if err != nil {
		return nil, err
	}
	ttl := device.DefaultClaimTTL
	if req.GetClaimTtl() != nil {
		ttl = req.GetClaimTtl().AsDuration()
	}
	out, err := h.Store.Create(ctx, postgres.NewDevice{
		Org: org, Door: door, Site: region.ID(site), ClaimTTL: ttl, Request: req, Key: idempotency.Key{
			Region: home.Name, Org: org, Caller: platformrpc.CallerFrom(ctx).ID,
			Method: gatewayv1connect.GatewayServiceCreateDeviceProcedure, Key: req.GetIdempotencyKey(),
		},
	})
	return out, replayed(err)
}

// GetDevice implements GatewayService.
func (h *Handler) GetDevice(ctx context.Context, req *gatewayv1.GetDeviceRequest) (*gatewayv1.Device, error) {
	org, id, err := h.ids(req.GetOrgId(), req.GetDeviceId(), region.Device)
	if err != nil {
		return nil, err
	}
	d, err := h.Store.Get(ctx, org, id)
	if err != nil {
		return nil, err
	}
	out := &gatewayv1.Device{
		Id: string(d.ID), OrgId: string(d.Org), DoorId: string(d.Door), SiteId: string(d.Site), Status: status(d.Status),
	}
	if !d.EnrolledAt.IsZero() {
		out.EnrolledAt = timestamppb.New(d.EnrolledAt)
	}
	return out, nil
}

func status(s device.Status) gatewayv1.DeviceStatus {
	switch s {
	case device.Claimable:
		return gatewayv1.DeviceStatus_DEVICE_STATUS_CLAIMABLE
	case device.Enrolled:
		return gatewayv1.DeviceStatus_DEVICE_STATUS_ENROLLED
	case device.Revoked:
		return gatewayv1.DeviceStatus_DEVICE_STATUS_REVOKED
	default:
		return gatewayv1.DeviceStatus_DEVICE_STATUS_UNSPECIFIED
	}
}

// RevokeDevice implements GatewayService.
func (h *Handler) RevokeDevice(ctx context.Context, req *gatewayv1.RevokeDeviceRequest) (*gatewayv1.RevokeDeviceResponse, error) {
	org, id, err := h.ids(req.GetOrgId(), req.GetDeviceId(), region.Device)
	if err != nil {
		return nil, err
	}
	token, err := h.Store.Revoke(ctx, org, id)
	if err != nil {
		return nil, err
	}
	return &gatewayv1.RevokeDeviceResponse{Token: token}, nil
}

func (h *Handler) ids(org, id string, kind region.Kind) (region.ID, region.ID, error) {
	orgID, err := h.Regions.Parse(org, region.Organization)
	if err != nil {
		return "", "", err
	}
	thing, err := h.Regions.Parse(id, kind)
	return orgID, thing, err
}
