package rpc_test

import (
	"net/http"
	"strings"
	"testing"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/discovery"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
	"github.com/cardea-mesh/cardea/services/platform/telemetry/telemetrytest"
)

// traced sets up telemetry of a process in a region; flush exports what it has.
func traced(t *testing.T, m *rpctest.Mesh, sink *telemetrytest.Sink, service string, name region.Name) (*telemetry.Telemetry, func()) {
	t.Helper()
	tel, shutdown, err := telemetry.Setup(t.Context(), config.Telemetry{OTLPEndpoint: sink.Endpoint(), LogLevel: "error"}, service, m.Region(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return tel, func() {
		if err := shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestAForwardedCallIsOneTrace(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	sink := telemetrytest.Start(t)
	var flush []func()
	for _, name := range []region.Name{"us-east", "eu-central"} {
		tel, done := traced(t, m, sink, "identity", name)
		flush = append(flush, done)
		m.Telemetry = tel // of the server and the dialer that are made next
		serve(t, m, name, &handler{})
	}
	tel, done := traced(t, m, sink, "permissions", "us-east")
	flush = append(flush, done)
	m.Telemetry = tel
	ctx, span := tel.Tracer.Tracer("test").Start(t.Context(), "work")
	request := &identityv1.FollowOrganizationRequest{OrgId: string(newOrg("euc")), FollowerRegion: "us-east"}
	if _, err := inside(m.Dialer(t, "permissions", "us-east"), "us-east").FollowOrganization(ctx, request); err != nil {
		t.Fatal(err)
	}
	span.End()
	for _, f := range flush {
		f()
	}
	spans := sink.WaitTrace(t, func(spans []telemetrytest.Span) bool { return len(spans) == 5 })
	var path []string
	for i, s := range spans {
		path = append(path, s.Service+"@"+s.Region)
		if i > 0 && s.Parent != spans[i-1].SpanID {
			t.Errorf("span %d is no child of the one before", i)
		}
	}
	want := "permissions@us-east permissions@us-east identity@us-east identity@us-east identity@eu-central"
	if got := strings.Join(path, " "); got != want {
		t.Errorf("got  %s\nwant %s\n%s", got, want, telemetrytest.Format(spans))
	}
}

func TestAStrangersTraceIsNotJoined(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	sink := telemetrytest.Start(t)
	tel, flush := traced(t, m, sink, "identity", "eu-central")
	m.Telemetry = tel
	server := serve(t, m, "eu-central", &handler{})
	const foreign = "0af7651916cd43dd8448eb211c80319c"
	status, text := post(t, m, server.URL+identityv1connect.IdentityServiceGetOrganizationProcedure, "application/json",
		strings.NewReader(`{}`), http.Header{"Traceparent": {"00-" + foreign + "-b7ad6b7169203331-01"}})
	if status != http.StatusUnauthorized {
		t.Fatalf("%d %s", status, text)
	}
	flush()
	spans := sink.WaitTrace(t, func(spans []telemetrytest.Span) bool { return len(spans) == 1 })
	if spans[0].TraceID == foreign || spans[0].Parent != "" {
		t.Errorf("%+v", spans[0])
	}
}

// What fits together without knowing of each other.
var (
	_ rpc.Authenticator   = (*rpctest.Mesh)(nil)
	_ discovery.Directory = (*rpctest.Mesh)(nil)
	_ outbox.Caller       = (*rpc.Dialer)(nil)
)
