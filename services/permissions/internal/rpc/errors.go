package rpc

import (
	"connectrpc.com/connect"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/fault"
)

// Errors returns how the errors of permissions leave it; the platform's own table comes after it.
func Errors() fault.Table {
	return fault.Table{
		{Is: grants.ErrNotFound, Code: connect.CodeNotFound, Reason: faultv1.Reason_REASON_NOT_FOUND},
		{Is: grants.ErrInvalid, Code: connect.CodeInvalidArgument, Reason: faultv1.Reason_REASON_INVALID_FIELD},
		{Is: grants.ErrOtherHome, Code: connect.CodeFailedPrecondition, Reason: faultv1.Reason_REASON_OTHER_HOME},
		{Is: grants.ErrCycle, Code: connect.CodeFailedPrecondition, Reason: faultv1.Reason_REASON_CYCLE},
		{Is: grants.ErrTooDeep, Code: connect.CodeFailedPrecondition, Reason: faultv1.Reason_REASON_STATE_FORBIDS},
		{Is: grants.ErrClockNonsense, Code: connect.CodeInvalidArgument, Reason: faultv1.Reason_REASON_CLOCK_NONSENSE},
		{Is: grants.ErrConflict, Code: connect.CodeAborted, Reason: faultv1.Reason_REASON_CONFLICT},
		{Is: grants.ErrForbidden, Code: connect.CodeFailedPrecondition, Reason: faultv1.Reason_REASON_STATE_FORBIDS},
		{Is: grants.ErrForeignCaller, Code: connect.CodePermissionDenied, Reason: faultv1.Reason_REASON_MISSING_PERMISSION},
	}
}
