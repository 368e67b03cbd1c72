package rpc

import (
	"errors"

	"connectrpc.com/connect"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
)

// Errors returns how the errors of permissions leave it.
func Errors() fault.Table {
	return fault.Table{
		{Is: grants.ErrNotFound, Code: connect.CodeNotFound, Reason: faultv1.Reason_REASON_NOT_FOUND},
		{Is: grants.ErrInvalid, Code: connect.CodeInvalidArgument, Reason: faultv1.Reason_REASON_INVALID_FIELD},
		{Is: grants.ErrOtherHome, Code: connect.CodeFailedPrecondition, Reason: faultv1.Reason_REASON_OTHER_HOME},
		{Is: grants.ErrCycle, Code: connect.CodeFailedPrecondition, Reason: faultv1.Reason_REASON_CYCLE},
		{Is: grants.ErrTooDeep, Code: connect.CodeFailedPrecondition, Reason: faultv1.Reason_REASON_STATE_FORBIDS},
		{Is: grants.ErrClockNonsense, Code: connect.CodeInvalidArgument, Reason: faultv1.Reason_REASON_CLOCK_NONSENSE},
		{Is: grants.ErrNotFreshEnough, Code: connect.CodeUnavailable, Reason: faultv1.Reason_REASON_NOT_FRESH_ENOUGH},
		{Is: grants.ErrForeignCaller, Code: connect.CodePermissionDenied, Reason: faultv1.Reason_REASON_MISSING_PERMISSION},
		{
			Is: idempotency.ErrMismatch, Code: connect.CodeInvalidArgument, Reason: faultv1.Reason_REASON_IDEMPOTENCY_MISMATCH,
			Text: "the idempotency key was used before with another request",
		},
		{
			Is: outbox.ErrTooLarge, Code: connect.CodeResourceExhausted, Reason: faultv1.Reason_REASON_OVER_LIMIT,
			Text: "this is too large to be told to others: make it smaller, a group for example by nesting groups",
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
