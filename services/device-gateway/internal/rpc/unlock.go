package rpc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/device"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/session"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	defaultNotAfter = 10 * time.Second
	maxNotAfter     = 60 * time.Second
)

// Unlock implements GatewayService: it finds the door's lock, here or at another gateway of the jurisdiction.
func (h *Handler) Unlock(ctx context.Context, req *gatewayv1.UnlockRequest) (*gatewayv1.UnlockResponse, error) {
	org, door, err := h.ids(req.GetOrgId(), req.GetDoorId(), region.Door)
	if err != nil {
		return nil, err
	}
	notAfter, err := h.notAfter(req.GetNotAfter())
	if err != nil {
		return nil, err
	}
	devices := h.Doors.DevicesOf(string(org), string(door))
	unlockFor, known := h.Doors.UnlockFor(string(org), string(door))
	if !known {
		return nil, fmt.Errorf("%w: %s", device.ErrDoorNotFound, door)
	}
	if req.GetUnlockFor() != nil {
		unlockFor = req.GetUnlockFor().AsDuration()
	}
	for _, d := range devices {
		u := session.Unlock{CommandID: string(region.NewID(region.Command, door.Code())), Device: d.ID, For: unlockFor, NotAfter: notAfter}
		out, err := h.deliver(ctx, d, u)
		if !errors.Is(err, device.ErrOffline) {
			return unlocked(out), err
		}
	}
	return nil, device.ErrOffline
}

func unlocked(r *gatewayv1.SendCommandResponse) *gatewayv1.UnlockResponse {
	if r == nil {
		return nil
	}
	return &gatewayv1.UnlockResponse{CommandId: r.GetCommandId(), Outcome: r.GetOutcome(), Detail: r.GetDetail()}
}

func (h *Handler) notAfter(t *timestamppb.Timestamp) (time.Time, error) {
	now := h.Now()
	if t == nil {
		return now.Add(defaultNotAfter), nil
	}
	if err := t.CheckValid(); err != nil || t.AsTime().Sub(now) > maxNotAfter {
		return time.Time{}, fmt.Errorf("%w: not_after may be at most 60 s from now", device.ErrInvalid)
	}
	return t.AsTime(), nil
}

// deliver sends the command to the gateway that holds the device; device.ErrOffline when none does, and when one could not be
// asked its error: the lock may be there, and may have acted.
func (h *Handler) deliver(ctx context.Context, d access.Device, u session.Unlock) (*gatewayv1.SendCommandResponse, error) {
	if h.Sessions.Connected(d.ID) || !h.Now().Before(u.NotAfter) {
		out, err := h.command(ctx, u)
		if !errors.Is(err, device.ErrOffline) {
			return out, err
		}
	}
	ctx, cancel := context.WithDeadline(ctx, u.NotAfter.Add(2*time.Second))
	defer cancel()
	var none error = device.ErrOffline
	for _, r := range h.Regions.In(h.Own.Jurisdiction) {
		if r.Name == h.Own.Name {
			continue
		}
		out, err := h.Neighbours.DeliverCommand(ctx, r.Name, &gatewayv1.DeliverCommandRequest{
			OrgId: d.Org, Region: string(r.Name), DeviceId: d.ID, CommandId: u.CommandID,
			NotAfter: timestamppb.New(u.NotAfter), Command: &lockwirev1.Command{
				Action: &lockwirev1.Command_Unlock{Unlock: &lockwirev1.Unlock{UnlockMs: uint32(u.For.Milliseconds())}},
			},
		})
		switch {
		case err == nil:
			return out, nil
		case fault.Is(err, faultv1.Reason_REASON_DEVICE_OFFLINE), fault.Is(err, faultv1.Reason_REASON_NOT_FOUND):
		default:
			none = fault.New(connect.CodeUnavailable, faultv1.Reason_REASON_DEPENDENCY_DOWN,
				"the gateway of %s could not be asked: whether the lock is there, and did it, is not known", r.Name)
		}
	}
	return nil, none
}

// DeliverCommand implements GatewayService: only for locks that are connected here.
func (h *Handler) DeliverCommand(ctx context.Context, req *gatewayv1.DeliverCommandRequest) (*gatewayv1.SendCommandResponse, error) {
	d, known, _ := h.Doors.Device(req.GetDeviceId())
	if !known || d.Org != req.GetOrgId() {
		return nil, fmt.Errorf("%w: %s", device.ErrNotFound, req.GetDeviceId())
	}
	if req.GetNotAfter().AsTime().Sub(h.Now()) > maxNotAfter+time.Second {
		return nil, fmt.Errorf("%w: not_after may be at most 60 s from now", device.ErrInvalid)
	}
	return h.command(ctx, session.Unlock{
		CommandID: req.GetCommandId(), Device: d.ID, For: time.Duration(req.GetCommand().GetUnlock().GetUnlockMs()) * time.Millisecond, NotAfter: req.GetNotAfter().AsTime(),
	})
}

func (h *Handler) command(ctx context.Context, u session.Unlock) (*gatewayv1.SendCommandResponse, error) {
	out := &gatewayv1.SendCommandResponse{CommandId: u.CommandID}
	result, err := h.Sessions.Command(ctx, u)
	switch {
	case errors.Is(err, session.ErrOffline):
		return nil, device.ErrOffline
	case errors.Is(err, session.ErrNoAnswer):
		out.Outcome, out.Detail = gatewayv1.CommandOutcome_COMMAND_OUTCOME_FAILED, "the lock did not answer in time; it does nothing later"
		return out, nil
	case err != nil:
		return nil, err
	}
	out.Detail = result.GetText()
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
