package fault

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"time"

	"connectrpc.com/connect"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/types/known/durationpb"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
)

// Translate returns what err means to a caller: a fault that err is, a rule of table or of Platform, or Internal. known is
// false in the last case: then somebody must log err, for the fault does not tell it.
func Translate(err error, table Table) (f *Error, known bool) {
	if errors.As(err, &f) {
		if f.remote && foreign(f) {
			return internal(err), false
		}
		return f, true
	}
	rule, ok := table.find(err)
	if !ok {
		rule, ok = Platform.find(err)
	}
	if ok {
		text := rule.Text
		if text == "" {
			text = err.Error()
		}
		return &Error{Code: rule.Code, Reason: rule.Reason, Message: text, Cause: err}, true
	}
	if connect.CodeOf(err) == connect.CodeUnimplemented {
		return &Error{Code: connect.CodeUnimplemented, Message: "not implemented", Cause: err}, true
	}
	return internal(err), false
}

// foreign are answers of another service that are about us, not about our caller: that we may not call it, or its own bug.
func foreign(f *Error) bool {
	switch f.Code {
	case connect.CodeUnauthenticated, connect.CodePermissionDenied, connect.CodeUnimplemented, connect.CodeInternal, connect.CodeUnknown:
		return true
	default:
		return false
	}
}

func internal(err error) *Error {
	return &Error{Code: connect.CodeInternal, Reason: faultv1.Reason_REASON_INTERNAL, Message: "internal error", Cause: err}
}

// Outbound turns a handler's error into the Connect error that leaves. What it does not know it logs, once, with the trace
// id that the caller is told.
func Outbound(ctx context.Context, err error, table Table, logger *slog.Logger) *connect.Error {
	f, known := Translate(err, table)
	if !known {
		id := traceID(ctx)
		logger.ErrorContext(ctx, "call failed", "error", err, "trace", id)
		f.Message = "internal error; trace " + id
	}
	return f.Connect()
}

// Connect returns the fault as a Connect error with its detail and, where it has one, the Retry-After header.
func (e *Error) Connect() *connect.Error {
	out := connect.NewError(e.Code, errors.New(e.Message))
	body := &faultv1.Fault{Reason: e.Reason, Detail: e.Detail, HomeRegion: e.HomeRegion, HomeEndpoint: e.HomeEndpoint}
	if e.RetryAfter > 0 {
		body.RetryAfter = durationpb.New(e.RetryAfter)
		out.Meta().Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	if detail, err := connect.NewErrorDetail(body); err == nil { // fails only for a nil message
		out.AddDetail(detail)
	}
	return out
}

// traceID finds the log line that belongs to an answer. Without a trace it is random: still one id for the two.
func traceID(ctx context.Context) string {
	if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
		return span.TraceID().String()
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	return fmt.Sprintf("%x", id)
}

// Inbound turns the error of a call into an *Error; nil stays nil. who names the service that was called, for the text.
// known are tables whose errors shall be found again by errors.Is, besides Platform's.
func Inbound(err error, who string, known ...Table) error {
	if err == nil {
		return nil
	}
	var already *Error
	if errors.As(err, &already) {
		return err
	}
	var wire *connect.Error
	if !errors.As(err, &wire) {
		wire = connect.NewError(connect.CodeOf(err), err)
	}
	f := fromDetail(wire)
	if f == nil {
		f = fromCode(wire, who)
	}
	f.remote = true
	f.Cause = cause(wire, f, known)
	return f
}

func fromDetail(wire *connect.Error) *Error {
	for _, detail := range wire.Details() {
		value, err := detail.Value()
		if err != nil {
			continue
		}
		if body, ok := value.(*faultv1.Fault); ok {
			return &Error{
				Code: wire.Code(), Reason: body.GetReason(), Message: wire.Message(), Detail: body.GetDetail(),
				HomeRegion: body.GetHomeRegion(), HomeEndpoint: body.GetHomeEndpoint(),
				RetryAfter: max(0, min(body.GetRetryAfter().AsDuration(), time.Hour)),
			}
		}
	}
	return nil
}

// fromCode explains an error that no service of ours wrote: the network's, or Connect's own.
func fromCode(wire *connect.Error, who string) *Error {
	f := &Error{Code: wire.Code(), Message: fmt.Sprintf("%s: %s", who, wire.Code())}
	switch wire.Code() {
	case connect.CodeUnavailable, connect.CodeUnknown:
		// Unknown is what Connect says when a connection broke in the middle of a call.
		f.Code, f.Reason, f.Message = connect.CodeUnavailable, faultv1.Reason_REASON_DEPENDENCY_DOWN, who+" does not answer"
	case connect.CodeDeadlineExceeded:
		f.Reason, f.Message = faultv1.Reason_REASON_TIMED_OUT, who+" did not answer in time"
	case connect.CodeResourceExhausted:
		// A limit of ours has a detail: without one it is Connect's limit of the message's size.
		f.Reason, f.Message = faultv1.Reason_REASON_TOO_LARGE, wire.Message()
	case connect.CodeInvalidArgument:
		f.Reason, f.Message = faultv1.Reason_REASON_INVALID_FIELD, wire.Message()
	case connect.CodeUnauthenticated:
		f.Reason = faultv1.Reason_REASON_NO_CALLER
	case connect.CodeInternal:
		f.Reason = faultv1.Reason_REASON_INTERNAL
	}
	return f
}

// cause lets errors.Is find the Go error that the other side had, and the wire's error for who looks deeper.
func cause(wire *connect.Error, f *Error, known []Table) error {
	for _, table := range append(known, Platform) {
		if sentinel := table.sentinel(f.Code, f.Reason); sentinel != nil {
			return errors.Join(sentinel, wire)
		}
	}
	return wire
}

// Passed marks another service's answer as meant for our caller: a server that only forwards passes it on as it is.
func Passed(err error) error {
	var f *Error
	if !errors.As(err, &f) {
		return err
	}
	c := *f
	c.remote = false
	return &c
}
