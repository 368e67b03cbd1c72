package rpc_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
)

// BenchmarkCheck makes the same call, Check with nothing behind it, at servers that differ in what is around the handler:
//
//	ours   the whole stack: TLS, a remembered API key, route, authorize, validate, admit, trace
//	bare   a Connect handler as it is generated
//	lean   bare, but it does not compress answers below 1 KiB (as ours does not)
//	mesh   ours, called by a service through a Dialer
//
// Clients and servers share one process, so allocs/op and the processor's time are of both sides of a call.
func BenchmarkCheck(b *testing.B) {
	for _, protocol := range []string{"h2", "h1"} {
		s := newStack(b, protocol == "h2")
		for _, inFlight := range []int{1, 16, 64} {
			for _, side := range []string{"ours", "bare", "lean", "mesh"} {
				if side == "mesh" && protocol == "h1" {
					continue // a Dialer speaks HTTP/2
				}
				b.Run(fmt.Sprintf("%s/%d/%s", protocol, inFlight, side), func(b *testing.B) {
					b.ReportAllocs()
					s.load(b, s.clients[side], inFlight, b.N)
				})
			}
		}
	}
}

// BenchmarkCheckInTurn loads ours, bare and lean in turn (A B C A B C, since machines drift) and reports ours by each of the
// others: throughput, p99 and the processor's time of both sides of a call. The last is the steadiest where a machine is
// shared, and where client and server saturate it, throughput is its inverse.
func BenchmarkCheckInTurn(b *testing.B) {
	for _, protocol := range []string{"h2", "h1"} {
		s := newStack(b, protocol == "h2")
		for _, inFlight := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/%d", protocol, inFlight), func(b *testing.B) { s.inTurn(b, inFlight) })
		}
	}
}

type client = permissionsv1connect.PermissionsServiceClient

// stack is the servers, all in eu-central, and a client of each.
type stack struct {
	request *permissionsv1.CheckRequest
	clients map[string]client
}

func newStack(b *testing.B, http2 bool) *stack {
	b.Helper()
	m := rpctest.New(b)
	// What a process without a collector has, not what a test discards to.
	tel, shutdown, err := telemetry.Setup(b.Context(), config.Telemetry{LogLevel: "error"}, "permissions", m.Region(b, "eu-central"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = shutdown(context.Background()) })
	m.Telemetry = tel
	org := newOrg("euc")
	s := &stack{clients: map[string]client{}, request: &permissionsv1.CheckRequest{
		OrgId: string(org), DoorId: string(region.NewID(region.Door, "euc")), PersonId: string(region.NewID(region.Person, "euc")),
	}}
	trusting := &http.Client{Transport: &http.Transport{
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: m.CA.Pool()},
		ForceAttemptHTTP2:   http2,
		MaxIdleConnsPerHost: 256,
	}}
	b.Cleanup(trusting.CloseIdleConnections)
	bearer := bearer(m.Key(org, "access.check"))
	ours := serveStack(b, m)
	s.clients["ours"] = permissionsv1connect.NewPermissionsServiceClient(trusting, ours.URL, bearer)
	s.clients["bare"] = permissionsv1connect.NewPermissionsServiceClient(trusting, serveBare(b, m), bearer)
	s.clients["lean"] = permissionsv1connect.NewPermissionsServiceClient(trusting, serveBare(b, m, connect.WithCompressMinBytes(1<<10)), bearer)
	d := m.Dialer(b, "device-gateway", "eu-central")
	key := bearer
	s.clients["mesh"] = permissionsv1connect.NewPermissionsServiceClient(d.HTTPClient("permissions"), d.URL("permissions", "eu-central"), append(d.Options(), key)...)
	return s
}

func bearer(key config.Secret) connect.ClientOption {
	return connect.WithInterceptors(connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			req.Header().Set("Authorization", "Bearer "+key.Reveal())
			return next(ctx, req)
		}
	}))
}

// serveStack serves Check as permissions does, with an identity that is asked about keys.
func serveStack(b *testing.B, m *rpctest.Mesh) *rpctest.Server {
	b.Helper()
	asked := m.Config(b, "identity", "eu-central")
	asked.MeshCallers = meshCallers
	m.Serve(b, asked, func(s *rpc.Server) {
		s.Handle(identityv1connect.NewIdentityServiceHandler(keys{mesh: m}, s.Options()...))
	})
	cfg := m.Config(b, "permissions", "eu-central")
	cfg.Errors, cfg.Auth = table, rpc.NewKeyAuthenticator(cfg.Dialer)
	return m.Serve(b, cfg, func(s *rpc.Server) {
		s.Handle(permissionsv1connect.NewPermissionsServiceHandler(check{}, s.Options()...))
	})
}

func serveBare(b *testing.B, m *rpctest.Mesh, options ...connect.HandlerOption) string {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(permissionsv1connect.NewPermissionsServiceHandler(check{}, options...))
	certificate := m.Identity(b, "permissions", "eu-central").Certificate
	server := &http.Server{Handler: mux, TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{certificate}}}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	b.Cleanup(func() { _ = server.Close() })
	return "https://" + listener.Addr().String()
}

// keys answers AuthenticateKey from the mesh's keys.
type keys struct {
	identityv1connect.UnimplementedIdentityServiceHandler
	mesh *rpctest.Mesh
}

func (k keys) AuthenticateKey(ctx context.Context, req *identityv1.AuthenticateKeyRequest) (*identityv1.AuthenticateKeyResponse, error) {
	caller, err := k.mesh.Authenticate(ctx, region.ID(req.GetKeyId()), [32]byte(req.GetSecretSha256()))
	if err != nil {
		return nil, err
	}
	return &identityv1.AuthenticateKeyResponse{KeyId: req.GetKeyId(), OrgId: string(caller.Org), Permissions: []string{"access.check"}}, nil
}

// check answers as permissions does when a grant decides.
type check struct {
	permissionsv1connect.UnimplementedPermissionsServiceHandler
}

func (check) Check(_ context.Context, req *permissionsv1.CheckRequest) (*permissionsv1.CheckResponse, error) {
	const id = "01jd3q8v5dfw0b9m3cz1n2k4xw"
	return &permissionsv1.CheckResponse{Decision: &permissionsv1.Decision{
		Outcome: permissionsv1.Outcome_OUTCOME_GRANTED, Reason: permissionsv1.DecisionReason_DECISION_REASON_GRANT,
		GrantId: "grant_euc_" + id, ScheduleId: "schedule_euc_" + id,
		Revision: &typev1.ConsistencyToken{Service: "permissions", Region: "eu-central", OrgId: req.GetOrgId(), Version: 1000},
	}}, nil
}

// load makes n calls, inFlight at a time, and returns how long each took.
func (s *stack) load(b *testing.B, c client, inFlight, n int) []time.Duration {
	b.Helper()
	took := make([][]time.Duration, inFlight)
	var workers sync.WaitGroup
	for w := range inFlight {
		workers.Go(func() {
			for range (n + inFlight - 1 - w) / inFlight {
				began := time.Now()
				if _, err := c.Check(b.Context(), s.request); err != nil {
					b.Error(err)
					return
				}
				took[w] = append(took[w], time.Since(began))
			}
		})
	}
	workers.Wait()
	return slices.Concat(took...)
}

// series is what was measured of one side.
type series struct {
	took       []time.Duration
	spent, cpu time.Duration
}

// inTurn makes b.N calls of each side in samples of chunk.
func (s *stack) inTurn(b *testing.B, inFlight int) {
	const chunk = 2000
	sides := map[string]*series{"ours": {}, "bare": {}, "lean": {}}
	for done := 0; done < b.N; done += chunk {
		for name, side := range sides {
			began, used := time.Now(), processor(b)
			side.took = append(side.took, s.load(b, s.clients[name], inFlight, min(chunk, b.N-done))...)
			side.spent += time.Since(began)
			side.cpu += processor(b) - used
		}
	}
	ours := sides["ours"]
	for _, name := range []string{"bare", "lean"} {
		floor := sides[name]
		b.ReportMetric(floor.spent.Seconds()/ours.spent.Seconds(), "rate-by-"+name)
		b.ReportMetric(p99(ours.took).Seconds()/p99(floor.took).Seconds(), "p99-by-"+name)
		b.ReportMetric(ours.cpu.Seconds()/floor.cpu.Seconds(), "cpu-by-"+name)
	}
	b.ReportMetric(float64(b.N)/ours.spent.Seconds(), "ours/s")
	b.ReportMetric(0, "ns/op") // of three sides: says nothing
}

// processor is the time that this process had a processor.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func p99(took []time.Duration) time.Duration {
	slices.Sort(took)
	return took[min(len(took)-1, len(took)*99/100)]
}
