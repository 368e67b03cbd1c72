package rpc

import (
	"context"
	"errors"
	"fmt"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/device"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/session"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	defaultNotAfter = 10 * time.Second
	maxNotAfter     = 60 * time.Second
)

// Unlock implements GatewayService: it finds the door's locks, here or at another gateway of the jurisdiction, and tells one after another
// until one has done it: some locks of a door cannot, e.g. one that only watches it.
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
	unlock := &lockwirev1.Command{Action: &lockwirev1.Command_Unlock{Unlock: &lockwirev1.Unlock{UnlockMs: session.UnlockMS(unlockFor)}}}
	var last *gatewayv1.SendCommandResponse
	for _, d := range devices {
		out, err := h.deliver(ctx, d, session.Order{
			CommandID: string(region.NewID(region.Command, door.Code())), Device: d.ID, Command: unlock, NotAfter: notAfter,
		})
		switch {
		case errors.Is(err, device.ErrOffline):
			continue
		case err != nil || out.GetOutcome() == gatewayv1.CommandOutcome_COMMAND_OUTCOME_DONE:
			return unlocked(out), err
		}
		last = out
	}
	if last != nil {
		return unlocked(last), nil
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
