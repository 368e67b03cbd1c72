package fault

import (
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
)

// Error is a refused or failed call: what a client gets, and what a handler may return to say exactly what leaves.
type Error struct {
	Code   connect.Code
	Reason faultv1.Reason
	// Message is for people, in the caller's words; it leaves as it is.
	Message string
	// Detail is the one value that a program may want: an id, a permission, a field path. Never personal.
	Detail string
	// HomeRegion and HomeEndpoint say where to go after RESIDENCY_VIOLATION.
	HomeRegion, HomeEndpoint string
	// RetryAfter says when a retry makes sense; 0: not stated.
	RetryAfter time.Duration

	// Cause is what led to it; it never leaves the process.
	Cause error
	// remote marks what another service answered, as opposed to what this one means to say.
	remote bool
}

// New makes an error whose text is for the caller.
func New(code connect.Code, reason faultv1.Reason, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Reason: reason, Message: err.Error(), Cause: errors.Unwrap(err)}
}

// Over is the refusal of a call over a limit, with the time to come back.
func Over(retryAfter time.Duration, format string, args ...any) *Error {
	err := New(connect.CodeResourceExhausted, faultv1.Reason_REASON_OVER_LIMIT, format, args...)
	err.RetryAfter = retryAfter
	return err
}

// With returns a copy with the detail set.
func (e *Error) With(detail string) *Error {
	c := *e
	c.Detail = detail
	return &c
}

// Error is the message, then code and reason.
func (e *Error) Error() string {
	return fmt.Sprintf("%s (%s, %s)", e.Message, e.Code, ReasonName(e.Reason))
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Remote says that another service answered this.
func (e *Error) Remote() bool { return e.remote }

// Is says whether err is, or wraps, a fault of this reason.
func Is(err error, reason faultv1.Reason) bool { return ReasonOf(err) == reason }

// ReasonOf returns the reason of the outermost fault in err; REASON_UNSPECIFIED when there is none.
func ReasonOf(err error) faultv1.Reason {
	var f *Error
	if errors.As(err, &f) {
		return f.Reason
	}
	return faultv1.Reason_REASON_UNSPECIFIED
}

// ReasonName is the reason without its prefix: `OVER_LIMIT`.
func ReasonName(r faultv1.Reason) string {
	const prefix = len("REASON_")
	if name := r.String(); len(name) > prefix {
		return name[prefix:]
	}
	return r.String()
}
