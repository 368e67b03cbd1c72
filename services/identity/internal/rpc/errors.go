package rpc

import (
	"connectrpc.com/connect"
	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/policy/credential"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
)

// Errors is how identity's refusals leave: code and stable reason. What is not here or in the platform's tables is internal.
func Errors() fault.Table {
	return fault.Table{
		{Is: registry.ErrNotFound, Code: connect.CodeNotFound, Reason: faultv1.Reason_REASON_NOT_FOUND},
		{Is: registry.ErrSlugTaken, Code: connect.CodeAlreadyExists, Reason: faultv1.Reason_REASON_ALREADY_EXISTS},
		{Is: registry.ErrCardTaken, Code: connect.CodeAlreadyExists, Reason: faultv1.Reason_REASON_ALREADY_EXISTS},
		{Is: registry.ErrDigitsTaken, Code: connect.CodeAlreadyExists, Reason: faultv1.Reason_REASON_ALREADY_EXISTS},
		{Is: registry.ErrParts, Code: connect.CodeInvalidArgument, Reason: faultv1.Reason_REASON_INVALID_FIELD},
		{Is: registry.ErrDigits, Code: connect.CodeInvalidArgument, Reason: faultv1.Reason_REASON_INVALID_FIELD},
		{Is: registry.ErrErased, Code: connect.CodeFailedPrecondition, Reason: faultv1.Reason_REASON_STATE_FORBIDS},
		{Is: registry.ErrNoDigestKeys, Code: connect.CodeFailedPrecondition, Reason: faultv1.Reason_REASON_STATE_FORBIDS},
		{Is: registry.ErrSameJurisdiction, Code: connect.CodeFailedPrecondition, Reason: faultv1.Reason_REASON_STATE_FORBIDS},
		{Is: registry.ErrForeignSource, Code: connect.CodeInvalidArgument, Reason: faultv1.Reason_REASON_INVALID_FIELD},
		{Is: registry.ErrBadKey, Code: connect.CodeUnauthenticated, Reason: faultv1.Reason_REASON_BAD_CALLER},
		{Is: registry.ErrNoTime, Code: connect.CodeInvalidArgument, Reason: faultv1.Reason_REASON_CLOCK_NONSENSE},
		{Is: registry.ErrExpiresInPast, Code: connect.CodeInvalidArgument, Reason: faultv1.Reason_REASON_CLOCK_NONSENSE},
		{Is: credential.ErrMalformed, Code: connect.CodeInvalidArgument, Reason: faultv1.Reason_REASON_INVALID_FIELD},
	}
}
