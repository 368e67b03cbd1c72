package rpc

import (
	"context"
	"errors"
	"fmt"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/device"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/session"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// SendCommand implements GatewayService.
func (h *Handler) SendCommand(ctx context.Context, req *gatewayv1.SendCommandRequest) (*gatewayv1.SendCommandResponse, error) {
	_, id, err := h.ids(req.GetOrgId(), req.GetDeviceId(), region.Device)
	if err != nil {
		return nil, err
	}
	notAfter, err := h.notAfter(req.GetNotAfter())
	if err != nil {
		return nil, err
	}
	if err := checkSent(req.GetCommand(), h.Now()); err != nil {
		return nil, err
	}
	if err := mayCommand(ctx, req.GetCommand()); err != nil {
		return nil, err
	}
	d, err := h.enrolled(req.GetOrgId(), string(id))
	if err != nil {
		return nil, err
	}
	return h.deliver(ctx, d, session.Order{
		CommandID: string(region.NewID(region.Command, id.Code())), Device: d.ID, Command: req.GetCommand(), NotAfter: notAfter,
	})
}

// enrolled finds a device of an organization that may be connected.
func (h *Handler) enrolled(org, id string) (access.Device, error) {
	d, known, _ := h.Doors.Device(id)
	if !known || d.Org != org {
		return d, fmt.Errorf("%w: no enrolled device %s", device.ErrNotFound, id)
	}
	return d, nil
}

// deliver records the order, and sends it by the gateway that holds the device: this one, or any of the jurisdiction. Errors: see elsewhere.
func (h *Handler) deliver(ctx context.Context, d access.Device, o session.Order) (*gatewayv1.SendCommandResponse, error) {
	h.record(ctx, d, o)
	if h.Sessions.Connected(d.ID) || !h.Now().Before(o.NotAfter) {
		out, err := h.command(ctx, o)
		if !errors.Is(err, device.ErrOffline) {
			return out, err
		}
	}
	ctx, cancel := context.WithDeadline(ctx, o.NotAfter.Add(2*time.Second))
	defer cancel()
	return elsewhere(ctx, h, func(ctx context.Context, r region.Name, g Gateway) (*gatewayv1.SendCommandResponse, error) {
		return g.DeliverCommand(ctx, &gatewayv1.DeliverCommandRequest{
			OrgId: d.Org, Region: string(r), DeviceId: d.ID, CommandId: o.CommandID, NotAfter: timestamppb.New(o.NotAfter), Command: o.Command,
		})
	})
}

// DeliverCommand implements GatewayService: only for locks that are connected here, and gateways of this jurisdiction.
func (h *Handler) DeliverCommand(ctx context.Context, req *gatewayv1.DeliverCommandRequest) (*gatewayv1.SendCommandResponse, error) {
	if err := h.ofJurisdiction(ctx); err != nil {
		return nil, err
	}
	d, err := h.enrolled(req.GetOrgId(), req.GetDeviceId())
	if err != nil {
		return nil, err
	}
	if req.GetNotAfter().AsTime().Sub(h.Now()) > maxNotAfter+time.Second {
		return nil, fmt.Errorf("%w: not_after may be at most 60 s from now", device.ErrInvalid)
	}
	if err := checkAction(req.GetCommand(), h.Now()); err != nil {
		return nil, err
	}
	return h.command(ctx, session.Order{
		CommandID: req.GetCommandId(), Device: d.ID, Command: req.GetCommand(), NotAfter: req.GetNotAfter().AsTime(),
	})
}

// command sends an order to a lock that is connected here, and waits for its answer.
func (h *Handler) command(ctx context.Context, o session.Order) (*gatewayv1.SendCommandResponse, error) {
	out := &gatewayv1.SendCommandResponse{CommandId: o.CommandID}
	result, err := h.Sessions.Command(ctx, o)
	switch {
	case errors.Is(err, session.ErrOffline):
		return nil, device.ErrOffline
	case errors.Is(err, session.ErrBusy):
		return nil, device.ErrBusy
	case errors.Is(err, session.ErrNoAnswer):
		out.Outcome, out.Detail = gatewayv1.CommandOutcome_COMMAND_OUTCOME_FAILED, "the lock did not answer in time; it does nothing later"
		return out, nil
	case err != nil:
		return nil, err
	}
	out.Detail, out.FirmwareOffset = result.GetText(), result.GetFirmwareOffset()
	switch result.GetOutcome() {
	case lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE:
		out.Outcome = gatewayv1.CommandOutcome_COMMAND_OUTCOME_DONE
	case lockwirev1.CommandOutcome_COMMAND_OUTCOME_EXPIRED:
		out.Outcome = gatewayv1.CommandOutcome_COMMAND_OUTCOME_EXPIRED
	case lockwirev1.CommandOutcome_COMMAND_OUTCOME_UNSUPPORTED:
		out.Outcome, out.Detail = gatewayv1.CommandOutcome_COMMAND_OUTCOME_FAILED, "the lock does not know this command"
	default:
		out.Outcome = gatewayv1.CommandOutcome_COMMAND_OUTCOME_FAILED
	}
	return out, nil
}
