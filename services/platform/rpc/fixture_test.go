package rpc_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

var errTaken = errors.New("slug is taken")

var table = fault.Table{{Is: errTaken, Code: connect.CodeAlreadyExists, Reason: faultv1.Reason_REASON_ALREADY_EXISTS}}

// handler answers a few methods of identity and counts.
type handler struct {
	identityv1connect.UnimplementedIdentityServiceHandler
	region  region.Name
	calls   atomic.Int32
	get     func(context.Context) error // what GetOrganization does besides answering
	callers chan rpc.Caller
}

func (h *handler) GetOrganization(ctx context.Context, req *identityv1.GetOrganizationRequest) (*identityv1.Organization, error) {
	h.calls.Add(1)
	if h.get != nil {
		if err := h.get(ctx); err != nil {
			return nil, err
		}
	}
	return &identityv1.Organization{Id: req.GetOrgId(), Slug: string(h.region)}, nil
}

func (h *handler) GetPerson(_ context.Context, req *identityv1.GetPersonRequest) (*identityv1.Person, error) {
	h.calls.Add(1)
	return &identityv1.Person{Id: req.GetPersonId(), Fields: &identityv1.PersonalFields{Name: string(h.region)}}, nil
}

func (h *handler) FollowOrganization(ctx context.Context, _ *identityv1.FollowOrganizationRequest) (*identityv1.FollowResponse, error) {
	h.calls.Add(1)
	if h.callers != nil {
		h.callers <- rpc.CallerFrom(ctx)
	}
	return &identityv1.FollowResponse{}, nil
}

var meshCallers = map[string][]string{"mesh.follow": {"permissions"}, "mesh.authenticate": {"permissions"}}

// serve runs identity in a region; change adjusts its configuration.
func serve(t *testing.T, m *rpctest.Mesh, name region.Name, h *handler, change ...func(*rpc.ServerConfig)) *rpctest.Server {
	t.Helper()
	h.region = name
	cfg := m.Config(t, "identity", name)
	cfg.Errors, cfg.MeshCallers = table, meshCallers
	for _, f := range change {
		f(&cfg)
	}
	return m.Serve(t, cfg, func(s *rpc.Server) {
		s.Handle(identityv1connect.NewIdentityServiceHandler(h, s.Options()...))
	})
}

// outside is a client with a credential at one server.
func outside(t *testing.T, m *rpctest.Mesh, url string, credential config.Secret) identityv1connect.IdentityServiceClient {
	t.Helper()
	out := m.Public(credential)
	t.Cleanup(out.CloseIdle)
	return identityv1connect.NewIdentityServiceClient(out.HTTPClient(), url, out.Options()...)
}

// inside is a service's client.
func inside(d *rpc.Dialer, to region.Name) identityv1connect.IdentityServiceClient {
	return identityv1connect.NewIdentityServiceClient(d.HTTPClient("identity"), d.URL("identity", to), d.Options()...)
}

func newOrg(code region.Code) region.ID { return region.NewID(region.Organization, code) }

func wants(t *testing.T, err error, code connect.Code, reason faultv1.Reason) *fault.Error {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != code || f.Reason != reason {
		t.Fatalf("got %v, want %s %s", err, code, fault.ReasonName(reason))
	}
	return f
}
