package fault

import (
	"context"
	"errors"
	"time"

	"connectrpc.com/connect"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Rule says how errors of one kind leave the service.
type Rule struct {
	// Is matches by errors.Is. Either it or As is set.
	Is error
	// As matches errors that carry a value, and returns it as the fault's detail. Never personal.
	As     func(error) (detail string, ok bool)
	Code   connect.Code
	Reason faultv1.Reason
	// Text is what the caller reads; empty: the text of the whole error, which must then be fit for strangers (domain errors
	// are; errors with a database or a network behind them are not).
	Text string
	// RetryAfter says when a retry makes sense; 0: not stated.
	RetryAfter time.Duration
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
	{
		Is: idempotency.ErrMismatch, Code: connect.CodeInvalidArgument, Reason: faultv1.Reason_REASON_IDEMPOTENCY_MISMATCH,
		Text: "the idempotency key was used before with another request",
	},
	{
		As: replayed, Code: connect.CodeAlreadyExists, Reason: faultv1.Reason_REASON_IDEMPOTENCY_REPLAYED,
		Text: "this was done before, so long ago that the answer is no longer kept",
	},
	{
		Is: outbox.ErrNotFresh, Code: connect.CodeUnavailable, Reason: faultv1.Reason_REASON_NOT_FRESH_ENOUGH,
		Text: "the read cannot yet be as fresh as the token asks; retry", RetryAfter: 200 * time.Millisecond,
	},
	{
		Is: outbox.ErrTooLarge, Code: connect.CodeResourceExhausted, Reason: faultv1.Reason_REASON_OVER_LIMIT,
		Text: "what this would tell other services is too large",
	},
	{
		Is: database.ErrText, Code: connect.CodeInvalidArgument, Reason: faultv1.Reason_REASON_INVALID_FIELD,
		Text: "a text has a character that cannot be stored",
	},
	{
		Is: database.ErrUnknownOutcome, Code: connect.CodeUnavailable, Reason: faultv1.Reason_REASON_UNKNOWN_OUTCOME,
		Text: "whether this was stored is not known; retry with the same idempotency key", RetryAfter: time.Second,
	},
	{
		Is: database.ErrConflict, Code: connect.CodeAborted, Reason: faultv1.Reason_REASON_CONFLICT,
		Text: "lost a race; retry the whole call", RetryAfter: 100 * time.Millisecond,
	},
	{
		Is: context.DeadlineExceeded, Code: connect.CodeDeadlineExceeded, Reason: faultv1.Reason_REASON_TIMED_OUT,
		Text: "the call's time ran out before there was an answer",
	},
	{
		Is: database.ErrUnavailable, Code: connect.CodeUnavailable, Reason: faultv1.Reason_REASON_DEPENDENCY_DOWN,
		Text: "the database does not answer; retry", RetryAfter: time.Second,
	},
	{Is: context.Canceled, Code: connect.CodeCanceled, Reason: faultv1.Reason_REASON_UNSPECIFIED, Text: "the caller went away"},
}

func replayed(err error) (string, bool) {
	var old *idempotency.ReplayedError
	if errors.As(err, &old) {
		return old.ID, true
	}
	return "", false
}

// find returns the fault that the table makes of err; nil when no rule matches.
func (t Table) find(err error) *Error {
	for _, rule := range t {
		if f := rule.apply(err); f != nil {
			return f
		}
	}
	return nil
}

func (r Rule) apply(err error) *Error {
	detail := ""
	if r.As != nil {
		var ok bool
		if detail, ok = r.As(err); !ok {
			return nil
		}
	} else if !errors.Is(err, r.Is) {
		return nil
	}
	text := r.Text
	if text == "" {
		text = err.Error()
	}
	return &Error{Code: r.Code, Reason: r.Reason, Message: text, Detail: detail, RetryAfter: r.RetryAfter, Cause: err}
}

// sentinel returns the error that the table has for a reason and code; nil when it has none.
func (t Table) sentinel(code connect.Code, reason faultv1.Reason) error {
	for _, rule := range t {
		if rule.Is != nil && rule.Code == code && rule.Reason == reason {
			return rule.Is
		}
	}
	return nil
}
