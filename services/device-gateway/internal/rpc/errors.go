package rpc

import (
	"errors"

	"connectrpc.com/connect"
	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/device"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/exposure"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
)

// Errors is how the gateway's refusals leave: code and stable reason.
func Errors() fault.Table {
	return fault.Table{
		{Is: device.ErrNotFound, Code: connect.CodeNotFound, Reason: faultv1.Reason_REASON_NOT_FOUND},
		{Is: device.ErrDoorNotFound, Code: connect.CodeNotFound, Reason: faultv1.Reason_REASON_NOT_FOUND},
		{Is: device.ErrOffline, Code: connect.CodeFailedPrecondition, Reason: faultv1.Reason_REASON_DEVICE_OFFLINE},
		{Is: exposure.ErrNotReady, Code: connect.CodeUnavailable, Reason: faultv1.Reason_REASON_DEPENDENCY_DOWN},
		{Is: bus.ErrUnavailable, Code: connect.CodeUnavailable, Reason: faultv1.Reason_REASON_DEPENDENCY_DOWN, Text: "the region's broker does not answer, try again"},
		{Is: device.ErrBusy, Code: connect.CodeResourceExhausted, Reason: faultv1.Reason_REASON_OVER_LIMIT},
		{Is: device.ErrInvalid, Code: connect.CodeInvalidArgument, Reason: faultv1.Reason_REASON_INVALID_FIELD},
		{
			Is: idempotency.ErrMismatch, Code: connect.CodeInvalidArgument, Reason: faultv1.Reason_REASON_IDEMPOTENCY_MISMATCH,
			Text: "the idempotency key was used before with another request",
		},
	}
}

// replayed is the answer to a repetition that comes too late for the first answer: it names what was made.
func replayed(err error) error {
	var old *idempotency.ReplayedError
	if errors.As(err, &old) {
		return fault.New(connect.CodeAlreadyExists, faultv1.Reason_REASON_IDEMPOTENCY_REPLAYED,
			"this was done more than 24 hours ago and made %s", old.ID).With(old.ID)
	}
	return err
}
