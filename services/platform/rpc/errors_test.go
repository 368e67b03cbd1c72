package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
)

func TestEachErrorArrivesAsItself(t *testing.T) {
	m := rpctest.New(t)
	h := &handler{}
	server := serve(t, m, "eu-central", h)
	org := newOrg("euc")
	client := outside(t, m, server.URL, m.Key(org, "organizations.read"))
	for _, c := range []struct {
		err    error
		is     error
		code   connect.Code
		reason faultv1.Reason
	}{
		{fmt.Errorf("create: %w", errTaken), nil, connect.CodeAlreadyExists, faultv1.Reason_REASON_ALREADY_EXISTS},
		{fmt.Errorf("x: %w", region.ErrWrongKind), region.ErrWrongKind, connect.CodeInvalidArgument, faultv1.Reason_REASON_WRONG_ID_KIND},
		{fmt.Errorf("x: %w", database.ErrUnavailable), database.ErrUnavailable, connect.CodeUnavailable, faultv1.Reason_REASON_DEPENDENCY_DOWN},
		{fmt.Errorf("x: %w", database.ErrConflict), database.ErrConflict, connect.CodeAborted, faultv1.Reason_REASON_CONFLICT},
		{fmt.Errorf("x: %w", database.ErrUnknownOutcome), database.ErrUnknownOutcome, connect.CodeUnavailable, faultv1.Reason_REASON_UNKNOWN_OUTCOME},
		{context.DeadlineExceeded, context.DeadlineExceeded, connect.CodeDeadlineExceeded, faultv1.Reason_REASON_TIMED_OUT},
		{fault.New(connect.CodeNotFound, faultv1.Reason_REASON_NOT_FOUND, "no such thing"), nil, connect.CodeNotFound, faultv1.Reason_REASON_NOT_FOUND},
	} {
		h.get = func(context.Context) error { return c.err }
		_, err := client.GetOrganization(t.Context(), &identityv1.GetOrganizationRequest{OrgId: string(org)})
		wants(t, err, c.code, c.reason)
		if c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%v is not %v any more", err, c.is)
		}
	}
}

// journal is a writer that a test may read while servers log.
type journal struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.out.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.out.String()
}

func TestAnUnknownErrorAndAPanicTellNothing(t *testing.T) {
	for name, get := range map[string]func(context.Context) error{
		"error": func(context.Context) error { return errors.New(`ERROR: relation "people" (SQLSTATE 42P01)`) },
		"panic": func(context.Context) error { panic(`relation "people" (SQLSTATE 42P01)`) },
	} {
		t.Run(name, func(t *testing.T) {
			m := rpctest.New(t)
			log := &journal{}
			server := serve(t, m, "eu-central", &handler{get: get}, func(cfg *rpc.ServerConfig) {
				tel := *m.Telemetry
				tel.Logger = telemetry.NewLogger(log, slog.LevelInfo)
				cfg.Telemetry = &tel
			})
			org := newOrg("euc")
			_, err := outside(t, m, server.URL, m.Key(org, "organizations.read")).GetOrganization(t.Context(), &identityv1.GetOrganizationRequest{OrgId: string(org)})
			f := wants(t, err, connect.CodeInternal, faultv1.Reason_REASON_INTERNAL)
			id, ok := strings.CutPrefix(f.Message, "internal error; trace ")
			if !ok || len(id) != 32 || strings.Contains(err.Error(), "people") {
				t.Errorf("the caller reads %q", err)
			}
			if n := strings.Count(log.String(), id); n == 0 || strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "42P01") {
				t.Errorf("the log reads %s", log)
			}
		})
	}
}

func TestOverTheLimitIsRefusedWithATimeToComeBack(t *testing.T) {
	m := rpctest.New(t)
	entered, release := make(chan struct{}, 8), make(chan struct{})
	h := &handler{get: func(context.Context) error { entered <- struct{}{}; <-release; return nil }}
	server := serve(t, m, "eu-central", h, func(cfg *rpc.ServerConfig) { cfg.MaxInFlight = 1 })
	org := newOrg("euc")
	client := outside(t, m, server.URL, m.Key(org, "organizations.read"))
	request := &identityv1.GetOrganizationRequest{OrgId: string(org)}
	first := make(chan error, 1)
	go func() { _, err := client.GetOrganization(t.Context(), request); first <- err }()
	<-entered
	_, err := client.GetOrganization(t.Context(), request)
	f := wants(t, err, connect.CodeResourceExhausted, faultv1.Reason_REASON_OVER_LIMIT)
	var wire *connect.Error
	if f.RetryAfter <= 0 || !errors.As(err, &wire) || wire.Meta().Get("Retry-After") == "" {
		t.Errorf("no time to come back: %+v", f)
	}
	close(release)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

func TestADeadlineIsAnAnswer(t *testing.T) {
	m := rpctest.New(t)
	server := serve(t, m, "eu-central", &handler{get: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }})
	org := newOrg("euc")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := outside(t, m, server.URL, m.Key(org, "organizations.read")).GetOrganization(ctx, &identityv1.GetOrganizationRequest{OrgId: string(org)})
	wants(t, err, connect.CodeDeadlineExceeded, faultv1.Reason_REASON_TIMED_OUT)
}
