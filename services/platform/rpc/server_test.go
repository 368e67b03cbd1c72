package rpc_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/grpchealth"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

func healthOf(t *testing.T, m *rpctest.Mesh, url, service string) string {
	t.Helper()
	_, text := post(t, m, url+"/"+grpchealth.HealthV1ServiceName+"/Check", "application/json", strings.NewReader(`{"service": "`+service+`"}`), http.Header{})
	return text
}

func TestHealthFollowsReadiness(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	var down atomic.Bool
	server := serve(t, m, "eu-central", &handler{}, func(cfg *rpc.ServerConfig) {
		cfg.Ready = func(context.Context) error {
			if down.Load() {
				return errors.New("database down")
			}
			return nil
		}
	})
	for _, c := range []struct {
		down          bool
		service, want string
	}{
		{false, "", `"SERVING_STATUS_SERVING"`},
		{false, identityv1connect.IdentityServiceName, `"SERVING_STATUS_SERVING"`},
		{false, "cardea.mars.v1.MarsService", "not_found"},
		{true, "", `"SERVING_STATUS_NOT_SERVING"`},
		{true, identityv1connect.IdentityServiceName, `"SERVING_STATUS_NOT_SERVING"`},
		{false, "", `"SERVING_STATUS_SERVING"`},
	} {
		down.Store(c.down)
		if got := healthOf(t, m, server.URL, c.service); !strings.Contains(got, c.want) {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestAStoppingServerFinishesItsCalls(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	entered, release := make(chan struct{}), make(chan struct{})
	h := &handler{get: func(ctx context.Context) error {
		close(entered)
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	server := serve(t, m, "eu-central", h)
	org := newOrg("euc")
	client := outside(t, m, server.URL, m.Key(org, "organizations.read"))
	answered := make(chan error, 1)
	go func() {
		_, err := client.GetOrganization(t.Context(), &identityv1.GetOrganizationRequest{OrgId: string(org)})
		answered <- err
	}()
	<-entered
	stopped := make(chan struct{})
	go func() { server.Stop(); close(stopped) }()
	refusesConnections(t, m, server.URL)
	close(release)
	if err := <-answered; err != nil {
		t.Errorf("the call that ran: %v", err)
	}
	<-stopped
}

// refusesConnections waits until a server takes no new connection, at most 5 s.
func refusesConnections(t *testing.T, m *rpctest.Mesh, url string) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for time.Now().Before(deadline) {
		out := m.Public("")
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := out.HTTPClient().Do(req)
		if err != nil {
			return
		}
		_ = res.Body.Close()
		out.CloseIdle()
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("a stopping server takes connections")
}

func TestAServerThatCannotBeRefusesToStart(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	cfg := m.Config(t, "identity", "eu-central")
	for _, bad := range []rpc.Operator{{Name: "ada"}, {Name: "a_b", KeySHA256: strings.Repeat("00", 32)}, {KeySHA256: strings.Repeat("00", 32)}} {
		cfg.Operators = []rpc.Operator{bad}
		if _, err := rpc.NewServer(cfg); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}
