package fault_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

var errTaken = errors.New("slug is taken")

var table = fault.Table{{Is: errTaken, Code: connect.CodeAlreadyExists, Reason: faultv1.Reason_REASON_ALREADY_EXISTS}}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestKnownErrorsKeepTheirMeaning(t *testing.T) {
	for _, c := range []struct {
		err    error
		code   connect.Code
		reason faultv1.Reason
	}{
		{fmt.Errorf("create: %w", errTaken), connect.CodeAlreadyExists, faultv1.Reason_REASON_ALREADY_EXISTS},
		{fmt.Errorf("x: %w", region.ErrWrongKind), connect.CodeInvalidArgument, faultv1.Reason_REASON_WRONG_ID_KIND},
		{region.ErrUnknownRegion, connect.CodeInvalidArgument, faultv1.Reason_REASON_UNKNOWN_REGION},
		{fmt.Errorf("claim: %w", database.ErrText), connect.CodeInvalidArgument, faultv1.Reason_REASON_INVALID_FIELD},
		{fmt.Errorf("query: %w", context.DeadlineExceeded), connect.CodeDeadlineExceeded, faultv1.Reason_REASON_TIMED_OUT},
	} {
		wire := fault.Outbound(t.Context(), c.err, table, quiet())
		back := fault.Inbound(wire, "identity", table)
		if wire.Code() != c.code || !fault.Is(back, c.reason) {
			t.Errorf("%v left as %v and came back as %v", c.err, wire, back)
		}
		sentinel := errors.Unwrap(c.err)
		if sentinel == nil {
			sentinel = c.err
		}
		if !errors.Is(back, sentinel) {
			t.Errorf("%v is not %v any more", back, sentinel)
		}
	}
}

func TestAllFieldsTravel(t *testing.T) {
	sent := fault.Over(1500*time.Millisecond, "too many %s", "calls").With("calls")
	sent.HomeRegion, sent.HomeEndpoint = "eu-central", "https://eu.example.test"
	wire := fault.Outbound(t.Context(), fmt.Errorf("wrapped: %w", sent), nil, quiet())
	if got := wire.Meta().Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After %q", got)
	}
	var got *fault.Error
	if !errors.As(fault.Inbound(wire, "x"), &got) {
		t.Fatal("no fault came back")
	}
	if got.Code != connect.CodeResourceExhausted || got.Reason != faultv1.Reason_REASON_OVER_LIMIT || got.Message != "too many calls" ||
		got.Detail != "calls" || got.HomeRegion != "eu-central" || got.HomeEndpoint != "https://eu.example.test" || got.RetryAfter != 1500*time.Millisecond {
		t.Errorf("came back as %+v", got)
	}
}

func TestALateRepetitionNamesWhatWasMade(t *testing.T) {
	var f *fault.Error
	wire := fault.Outbound(t.Context(), fmt.Errorf("create: %w", &idempotency.ReplayedError{ID: "door_euc_1"}), nil, quiet())
	if !errors.As(fault.Inbound(wire, "x"), &f) || f.Reason != faultv1.Reason_REASON_IDEMPOTENCY_REPLAYED || f.Detail != "door_euc_1" {
		t.Errorf("%+v", f)
	}
}

func TestADatabaseThatIsDownSaysWhenToComeBack(t *testing.T) {
	wire := fault.Outbound(t.Context(), fmt.Errorf("dial 10.0.0.1: %w", database.ErrUnavailable), nil, quiet())
	if wire.Meta().Get("Retry-After") != "1" || strings.Contains(wire.Message(), "10.0.0.1") {
		t.Errorf("%v, %v", wire, wire.Meta())
	}
}

func TestAnUnknownErrorTellsNothingAndIsLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	wire := fault.Outbound(t.Context(), errors.New(`ERROR: relation "people" (SQLSTATE 42P01)`), table, slog.New(slog.NewTextHandler(&log, nil)))
	if wire.Code() != connect.CodeInternal || strings.Contains(wire.Message(), "people") || !strings.HasPrefix(wire.Message(), "internal error; trace ") {
		t.Errorf("left as %v", wire)
	}
	id := strings.TrimPrefix(wire.Message(), "internal error; trace ")
	if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), id) || !strings.Contains(log.String(), "42P01") {
		t.Errorf("log: %s", log.String())
	}
}

func TestWhatAnotherServiceSaysAboutUsIsNotOurCallersBusiness(t *testing.T) {
	refused := fault.New(connect.CodePermissionDenied, faultv1.Reason_REASON_MISSING_PERMISSION, "needs mesh.follow").Connect()
	wire := fault.Outbound(t.Context(), fault.Inbound(refused, "permissions"), nil, quiet())
	if wire.Code() != connect.CodeInternal {
		t.Errorf("left as %v", wire)
	}
	down := connect.NewError(connect.CodeUnavailable, errors.New("dial tcp 10.0.0.1:443: connection refused"))
	wire = fault.Outbound(t.Context(), fault.Inbound(down, "permissions"), nil, quiet())
	if wire.Code() != connect.CodeUnavailable || strings.Contains(wire.Message(), "10.0.0.1") {
		t.Errorf("left as %v", wire)
	}
}

func TestErrorsWithoutADetailGetAReason(t *testing.T) {
	for code, want := range map[connect.Code]faultv1.Reason{
		connect.CodeUnavailable:       faultv1.Reason_REASON_DEPENDENCY_DOWN,
		connect.CodeUnknown:           faultv1.Reason_REASON_DEPENDENCY_DOWN,
		connect.CodeDeadlineExceeded:  faultv1.Reason_REASON_TIMED_OUT,
		connect.CodeResourceExhausted: faultv1.Reason_REASON_TOO_LARGE,
		connect.CodeInvalidArgument:   faultv1.Reason_REASON_INVALID_FIELD,
	} {
		if got := fault.ReasonOf(fault.Inbound(connect.NewError(code, errors.New("x")), "y")); got != want {
			t.Errorf("%s: %s", code, got)
		}
	}
	if fault.Inbound(nil, "x") != nil || fault.ReasonOf(nil) != 0 {
		t.Error("nil is not an error")
	}
}
