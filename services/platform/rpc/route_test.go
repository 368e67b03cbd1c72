package rpc_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/protobuf/proto"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

// three runs identity in all regions.
func three(t *testing.T, m *rpctest.Mesh) (servers map[region.Name]*rpctest.Server, handlers map[region.Name]*handler) {
	t.Helper()
	servers, handlers = map[region.Name]*rpctest.Server{}, map[region.Name]*handler{}
	for _, r := range m.Regions.All() {
		handlers[r.Name] = &handler{callers: make(chan rpc.Caller, 1)}
		servers[r.Name] = serve(t, m, r.Name, handlers[r.Name])
	}
	return servers, handlers
}

// servedBy asks for an organization at a server and returns the region whose handler answered.
func servedBy(t *testing.T, m *rpctest.Mesh, at *rpctest.Server, org region.ID) (region.Name, error) {
	t.Helper()
	answer, err := outside(t, m, at.URL, m.Key(org, "organizations.read")).GetOrganization(t.Context(), &identityv1.GetOrganizationRequest{OrgId: string(org)})
	return region.Name(answer.GetSlug()), err
}

func TestACallIsServedAtItsHome(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	servers, _ := three(t, m)
	for _, at := range m.Regions.All() {
		for _, home := range m.Regions.All() {
			got, err := servedBy(t, m, servers[at.Name], newOrg(home.Code))
			if err != nil || got != home.Name {
				t.Errorf("at %s for %s: served by %q, %v", at.Name, home.Name, got, err)
			}
		}
	}
}

func TestWhenTheHomeIsDownANeighbourServes(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	servers, handlers := three(t, m)
	org := newOrg("euc")
	if got, err := servedBy(t, m, servers["us-east"], org); err != nil || got != "eu-central" {
		t.Fatalf("%q, %v", got, err) // and connections are open now
	}
	servers["eu-central"].Stop()
	for _, at := range []region.Name{"eu-west", "us-east"} {
		if got, err := servedBy(t, m, servers[at], org); err != nil || got != "eu-west" {
			t.Errorf("at %s: served by %q, %v", at, got, err)
		}
	}
	servers["eu-west"].Stop()
	_, err := servedBy(t, m, servers["us-east"], org)
	wants(t, err, connect.CodeUnavailable, faultv1.Reason_REASON_DEPENDENCY_DOWN)
	if n := handlers["us-east"].calls.Load(); n != 0 {
		t.Error("a call of another jurisdiction was served")
	}
}

func TestAHomeThatHangsIsLeftForANeighbour(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	hung, err := net.Listen("tcp", "127.0.0.1:0") // connects, and never says a word
	if err != nil {
		t.Fatal(err)
	}
	defer hung.Close()
	m.Know("identity", "eu-central", "https://"+hung.Addr().String())
	servers := map[region.Name]*rpctest.Server{"eu-west": serve(t, m, "eu-west", &handler{}), "us-east": serve(t, m, "us-east", &handler{})}
	for at, server := range servers {
		if got, err := servedBy(t, m, server, newOrg("euc")); err != nil || got != "eu-west" {
			t.Errorf("at %s: served by %q, %v", at, got, err)
		}
	}
}

func TestAHomeThatAnswersUnavailable(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	servers, handlers := three(t, m)
	down := fault.New(connect.CodeUnavailable, faultv1.Reason_REASON_DEPENDENCY_DOWN, "the database does not answer")
	handlers["eu-central"].get = func(context.Context) error { return down }
	// GetOrganization declares that doing it twice is doing it once.
	if got, err := servedBy(t, m, servers["eu-west"], newOrg("euc")); err != nil || got != "eu-west" {
		t.Errorf("served by %q, %v", got, err)
	}
}

func TestPersonalCallsDoNotCrossTheBorder(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	reader := sdkmetric.NewManualReader()
	h := &handler{}
	server := serve(t, m, "us-east", h, func(cfg *rpc.ServerConfig) {
		tel := *m.Telemetry
		tel.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
		cfg.Telemetry = &tel
		cfg.PublicEndpoints = map[region.Name]map[string]string{"eu-central": {"identity": "https://identity.eu.example.test"}}
	})
	serve(t, m, "eu-central", &handler{})
	org := newOrg("use")
	key := m.Key(org, "people.read")
	url := server.URL + identityv1connect.IdentityServiceGetPersonProcedure

	// From the header: the body is garbage, would never end, and is not read.
	unread := &tripwire{}
	status, text := post(t, m, url, "application/proto", unread, http.Header{rpc.HeaderRegion: {"eu-central"}, "Expect": {"100-continue"}})
	if status != http.StatusBadRequest || !strings.Contains(text, "failed_precondition") || !strings.Contains(text, "eu-central") {
		t.Errorf("%d %s", status, text)
	}
	status, text = post(t, m, url, "application/json", strings.NewReader("{garbage"), http.Header{rpc.HeaderRegion: {"eu-central"}})
	if status != http.StatusBadRequest || !strings.Contains(text, "failed_precondition") {
		t.Errorf("%d %s", status, text)
	}
	status, text = post(t, m, url, "application/json", strings.NewReader("{garbage"), http.Header{rpc.HeaderRegion: {"mars"}})
	if status != http.StatusBadRequest || !strings.Contains(text, "mars") {
		t.Errorf("%d %s", status, text)
	}

	// From the id: this client does not say where the home is.
	silent := rpc.NewPublicClient(m.CA.Pool(), key, nil)
	defer silent.CloseIdle()
	for _, out := range []*rpc.PublicClient{silent, m.Public(key)} {
		client := identityv1connect.NewIdentityServiceClient(out.HTTPClient(), server.URL, out.Options()...)
		_, err := client.GetPerson(t.Context(), &identityv1.GetPersonRequest{OrgId: string(org), PersonId: string(region.NewID(region.Person, "euc"))})
		f := wants(t, err, connect.CodeFailedPrecondition, faultv1.Reason_REASON_RESIDENCY_VIOLATION)
		if f.HomeRegion != "eu-central" || f.HomeEndpoint != "https://identity.eu.example.test" {
			t.Errorf("%+v", f)
		}
		out.CloseIdle()
	}
	// A lying header does not help.
	liar := connect.NewClient[identityv1.GetPersonRequest, identityv1.Person](silent.HTTPClient(), url, connect.WithClientOptions(silent.Options()...))
	request := connect.NewRequest(&identityv1.GetPersonRequest{OrgId: string(org), PersonId: string(region.NewID(region.Person, "euc"))})
	request.Header().Set(rpc.HeaderRegion, "us-east")
	_, err := liar.CallUnary(t.Context(), request)
	wants(t, err, connect.CodeFailedPrecondition, faultv1.Reason_REASON_RESIDENCY_VIOLATION)

	if n := counted(t, reader); n != 5 {
		t.Errorf("%d refusals were counted", n)
	}
	if h.calls.Load() != 0 {
		t.Error("a handler was reached")
	}
}

func TestInsideItsJurisdictionAPersonalCallIsForwarded(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	servers, _ := three(t, m)
	org := newOrg("euc")
	answer, err := outside(t, m, servers["eu-west"].URL, m.Key(org, "people.read")).GetPerson(t.Context(),
		&identityv1.GetPersonRequest{OrgId: string(org), PersonId: string(region.NewID(region.Person, "euc"))})
	if err != nil || answer.GetFields().GetName() != "eu-central" {
		t.Fatalf("%v, %v", answer, err)
	}
}

// tripwire is a body that has no end.
type tripwire struct{}

func (*tripwire) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 0xff
	}
	return len(p), nil
}

func counted(t *testing.T, reader *sdkmetric.ManualReader) int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, scope := range all.ScopeMetrics {
		for _, metric := range scope.Metrics {
			if data, ok := metric.Data.(metricdata.Sum[int64]); ok && metric.Name == "cardea.residency.refused" {
				for _, point := range data.DataPoints {
					sum += point.Value
				}
			}
		}
	}
	return sum
}

func TestTheRelayCallsWithSerializedRequests(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	_, handlers := three(t, m)
	raw, err := proto.Marshal(&identityv1.FollowOrganizationRequest{OrgId: string(newOrg("euc")), FollowerRegion: "us-east"})
	if err != nil {
		t.Fatal(err)
	}
	d := m.Dialer(t, "permissions", "us-east")
	if err := d.Call(t.Context(), "eu-central", identityv1connect.IdentityServiceFollowOrganizationProcedure, raw); err != nil {
		t.Fatal(err)
	}
	if caller := <-handlers["eu-central"].callers; caller.Service != "permissions" {
		t.Errorf("%+v", caller)
	}
	if err := d.Call(t.Context(), "eu-central", "/cardea.identity.v1.IdentityService/Nothing", raw); err == nil {
		t.Error("an unknown procedure was called")
	}
	err = d.Call(t.Context(), "eu-central", identityv1connect.IdentityServiceReceiveCredentialProcedure, nil)
	if err == nil || errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}
