package fault

import (
	"context"
	"errors"

	"connectrpc.com/connect"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Rule says how errors that are (errors.Is) one error leave the service.
type Rule struct {
	Is     error
	Code   connect.Code
	Reason faultv1.Reason
	// Text is what the caller reads; empty: the text of the whole error, which must then be fit for strangers (domain errors
	// are; errors with a database or a network behind them are not).
	Text string
}

// Table is read from the top; the first rule that matches counts.
type Table []Rule

// Platform is the table of platform's own errors. It comes after the service's own.
//
//nolint:gochecknoglobals // a constant in all but the language's sense
var Platform = Table{
	{Is: region.ErrInvalidID, Code: connect.CodeInvalidArgument, Reason: faultv1.Reason_REASON_INVALID_ID},
	{Is: region.ErrWrongKind, Code: connect.CodeInvalidArgument, Reason: faultv1.Reason_REASON_WRONG_ID_KIND},
	{Is: region.ErrUnknownRegion, Code: connect.CodeInvalidArgument, Reason: faultv1.Reason_REASON_UNKNOWN_REGION},
	{Is: database.ErrUnknownOutcome, Code: connect.CodeUnavailable, Reason: faultv1.Reason_REASON_UNKNOWN_OUTCOME, Text: "whether this was stored is not known; retry with the same idempotency key"},
	{Is: database.ErrConflict, Code: connect.CodeAborted, Reason: faultv1.Reason_REASON_CONFLICT, Text: "lost a race; retry the whole call"},
	{Is: context.DeadlineExceeded, Code: connect.CodeDeadlineExceeded, Reason: faultv1.Reason_REASON_TIMED_OUT, Text: "the call's time ran out before there was an answer"},
	{Is: database.ErrUnavailable, Code: connect.CodeUnavailable, Reason: faultv1.Reason_REASON_DEPENDENCY_DOWN, Text: "the database does not answer; retry"},
	{Is: context.Canceled, Code: connect.CodeCanceled, Reason: faultv1.Reason_REASON_UNSPECIFIED, Text: "the caller went away"},
}

// find returns the first rule for err.
func (t Table) find(err error) (Rule, bool) {
	for _, rule := range t {
		if errors.Is(err, rule.Is) {
			return rule, true
		}
	}
	return Rule{}, false
}

// sentinel returns the error that the table has for a reason and code; nil when it has none.
func (t Table) sentinel(code connect.Code, reason faultv1.Reason) error {
	for _, rule := range t {
		if rule.Code == code && rule.Reason == reason {
			return rule.Is
		}
	}
	return nil
}
