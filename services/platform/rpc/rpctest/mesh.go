// Package rpctest runs real RPC servers in a test: real TLS on 127.0.0.1, three regions in two jurisdictions, API keys.
//
//	m := rpctest.New(t)
//	cfg := m.Config(t, "identity", "eu-central")
//	server := m.Serve(t, cfg, func(s *rpc.Server) { s.Handle(identityv1connect.NewIdentityServiceHandler(h, s.Options()...)) })
//	org := region.NewID(region.Organization, "euc")
//	out := m.Public(m.Key(org, "people.write"))
//	client := identityv1connect.NewIdentityServiceClient(out.HTTPClient(), server.URL, out.Options()...)
package rpctest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/discovery"
	"github.com/cardea-mesh/cardea/services/platform/pki"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
)

// Mesh is eu-central and eu-west (eu) and us-east (us), with a certificate authority, a directory that knows the servers
// that run, and an authenticator that knows the keys that were made. It is safe for concurrent use.
type Mesh struct {
	Regions   *region.Map
	CA        *pki.Authority
	Telemetry *telemetry.Telemetry

	mu        sync.Mutex // guards what follows
	instances map[string]map[region.Name][]discovery.Instance
	keys      map[region.ID]key
}

type key struct {
	sum    [32]byte
	caller rpc.Caller
}

// New makes a mesh without servers.
func New(t testing.TB) *Mesh {
	t.Helper()
	regions, err := region.NewMap(map[region.Name]region.Spec{
		"eu-central": {Code: "euc", Jurisdiction: "eu"},
		"eu-west":    {Code: "euw", Jurisdiction: "eu"},
		"us-east":    {Code: "use", Jurisdiction: "us"},
	})
	must(t, err)
	ca, err := pki.NewRoot("Cardea test root", time.Now().Add(time.Hour))
	must(t, err)
	return &Mesh{
		Regions: regions, CA: ca, Telemetry: telemetry.Discard(),
		instances: map[string]map[region.Name][]discovery.Instance{}, keys: map[region.ID]key{},
	}
}

// Region returns a region of the mesh.
func (m *Mesh) Region(t testing.TB, name region.Name) region.Region {
	t.Helper()
	r, err := m.Regions.Lookup(name)
	must(t, err)
	return r
}

// Identity is a service's certificate.
func (m *Mesh) Identity(t testing.TB, service string, name region.Name) rpc.Identity {
	t.Helper()
	r := m.Region(t, name)
	pair, err := m.CA.IssueService(r.Jurisdiction, r.Name, service)
	must(t, err)
	cert, err := pair.TLS()
	must(t, err)
	return rpc.Identity{Certificate: cert, Roots: m.CA.Pool()}
}

// Dialer is what a service of the mesh calls others with.
func (m *Mesh) Dialer(t testing.TB, service string, name region.Name) *rpc.Dialer {
	t.Helper()
	return m.DialerAs(t, m.Identity(t, service, name))
}

// DialerAs is Dialer with a certificate of the test's choice.
func (m *Mesh) DialerAs(t testing.TB, identity rpc.Identity) *rpc.Dialer {
	t.Helper()
	d, err := rpc.NewDialer(rpc.ClientConfig{Identity: identity, Regions: m.Regions, Directory: m, Telemetry: m.Telemetry})
	must(t, err)
	t.Cleanup(d.CloseIdle)
	return d
}

// Config is a server's configuration, complete; change what the test is about.
func (m *Mesh) Config(t testing.TB, service string, name region.Name) rpc.ServerConfig {
	t.Helper()
	identity := m.Identity(t, service, name)
	return rpc.ServerConfig{
		Service: service, Region: m.Region(t, name), Regions: m.Regions, TLS: identity.Server(), Telemetry: m.Telemetry,
		Auth: m, Dialer: m.DialerAs(t, identity),
	}
}

// Server is one that runs.
type Server struct {
	// URL is its base, on 127.0.0.1.
	URL  string
	stop func()
}

// Stop ends the server; the directory still lists it, as in life. The end of the test does it too.
func (s *Server) Stop() { s.stop() }

// Serve runs a server until Stop or the end of the test; the directory knows it.
func (m *Mesh) Serve(t testing.TB, cfg rpc.ServerConfig, mount func(*rpc.Server)) *Server {
	t.Helper()
	server, err := rpc.NewServer(cfg)
	must(t, err)
	mount(server)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, listener) }()
	instance := discovery.Instance{URL: "https://" + listener.Addr().String()}
	m.add(cfg.Service, cfg.Region.Name, instance)
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("rpctest: %v", err)
		}
	})
	t.Cleanup(stop)
	return &Server{URL: instance.URL, stop: stop}
}

// Know puts an address of the test's own choice into the directory.
func (m *Mesh) Know(service string, r region.Name, url string) {
	m.add(service, r, discovery.Instance{URL: url})
}

// Instances implements discovery.Directory.
func (m *Mesh) Instances(_ context.Context, service string, r region.Name) ([]discovery.Instance, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.instances[service][r], nil
}

// add puts the newest instance first, so that a restarted server is found at once.
func (m *Mesh) add(service string, r region.Name, instance discovery.Instance) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.instances[service] == nil {
		m.instances[service] = map[region.Name][]discovery.Instance{}
	}
	m.instances[service][r] = append([]discovery.Instance{instance}, m.instances[service][r]...)
}

// Key makes an API key of an organization with permissions, and returns it as callers present it.
func (m *Mesh) Key(org region.ID, permissions ...string) config.Secret {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails
	secret := base64.RawURLEncoding.EncodeToString(raw[:])
	id := region.NewID(region.APIKey, org.Code())
	caller := rpc.Caller{Kind: rpc.KeyCaller, ID: string(id), Org: org, Permissions: map[string]bool{}}
	for _, permission := range permissions {
		caller.Permissions[permission] = true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keys[id] = key{sha256.Sum256([]byte(secret)), caller}
	return config.Secret(rpc.FormatAPIKey(id, secret))
}

// Authenticate implements rpc.Authenticator with the keys that Key made.
func (m *Mesh) Authenticate(_ context.Context, id region.ID, sum [32]byte) (rpc.Caller, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found, ok := m.keys[id]
	if !ok || found.sum != sum {
		return rpc.Caller{}, rpc.BadCaller()
	}
	return found.caller, nil
}

// Public is a client from outside with a credential; empty: none.
func (m *Mesh) Public(credential config.Secret) *rpc.PublicClient {
	return rpc.NewPublicClient(m.CA.Pool(), credential, m.Regions)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
