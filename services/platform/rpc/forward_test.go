package rpc_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1/gatewayv1connect"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

// unlocker counts, and fails where it is told to.
type unlocker struct {
	gatewayv1connect.UnimplementedGatewayServiceHandler
	calls atomic.Int32
	err   error
}

func (u *unlocker) Unlock(context.Context, *gatewayv1.UnlockRequest) (*gatewayv1.UnlockResponse, error) {
	u.calls.Add(1)
	return &gatewayv1.UnlockResponse{}, u.err
}

func TestWhatMayNotBeDoneTwiceIsNotTriedByTheNeighbour(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	home := &unlocker{err: fault.New(connect.CodeUnavailable, faultv1.Reason_REASON_DEPENDENCY_DOWN, "perhaps it is open")}
	neighbour := &unlocker{}
	var at string
	for name, u := range map[region.Name]*unlocker{"eu-central": home, "eu-west": neighbour} {
		server := m.Serve(t, m.Config(t, "device-gateway", name), func(s *rpc.Server) {
			s.Handle(gatewayv1connect.NewGatewayServiceHandler(u, s.Options()...))
		})
		if u == neighbour {
			at = server.URL
		}
	}
	org := newOrg("euc")
	out := m.Public(m.Key(org, "doors.unlock"))
	t.Cleanup(out.CloseIdle)
	client := gatewayv1connect.NewGatewayServiceClient(out.HTTPClient(), at, out.Options()...)
	_, err := client.Unlock(t.Context(), &gatewayv1.UnlockRequest{OrgId: string(org), DoorId: string(region.NewID(region.Door, "euc"))})
	wants(t, err, connect.CodeUnavailable, faultv1.Reason_REASON_DEPENDENCY_DOWN)
	if home.calls.Load() != 1 || neighbour.calls.Load() != 0 {
		t.Errorf("tried %d times at home and %d times at the neighbour", home.calls.Load(), neighbour.calls.Load())
	}
}

func TestAServiceStaysWhoItIsWhenItsCallIsForwarded(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	_, handlers := three(t, m)
	d := m.Dialer(t, "permissions", "us-east")
	request := &identityv1.FollowOrganizationRequest{OrgId: string(newOrg("euc")), FollowerRegion: "us-east"}
	if _, err := inside(d, "us-east").FollowOrganization(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	caller := <-handlers["eu-central"].callers
	if caller.Kind != rpc.ServiceCaller || caller.Service != "permissions" || caller.Region != "us-east" || caller.ID != "spiffe://cardea/us/us-east/permissions" {
		t.Errorf("%+v", caller)
	}
}

func TestAStrangersMeshHeadersAreNotBelieved(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	servers, handlers := three(t, m)
	header := http.Header{
		rpc.HeaderCaller: {"spiffe://cardea/us/us-east/permissions"}, rpc.HeaderForwarded: {"us-east"},
	}
	body := `{"orgId": "` + string(newOrg("euc")) + `", "followerRegion": "us-east"}`
	status, text := post(t, m, servers["eu-central"].URL+identityv1connect.IdentityServiceFollowOrganizationProcedure, "application/json", strings.NewReader(body), header)
	if status != http.StatusUnauthorized || handlers["eu-central"].calls.Load() != 0 {
		t.Errorf("%d %s", status, text)
	}
	// Another service of the mesh may not either: only identity forwards to identity.
	d := m.Dialer(t, "audit", "us-east")
	client := connect.NewClient[identityv1.FollowOrganizationRequest, identityv1.FollowResponse](d.HTTPClient("identity"),
		d.URL("identity", "eu-central")+identityv1connect.IdentityServiceFollowOrganizationProcedure, connect.WithClientOptions(d.Options()...))
	request := connect.NewRequest(&identityv1.FollowOrganizationRequest{OrgId: string(newOrg("euc")), FollowerRegion: "us-east"})
	for name, values := range header {
		request.Header()[name] = values
	}
	_, err := client.CallUnary(t.Context(), request)
	wants(t, err, connect.CodePermissionDenied, faultv1.Reason_REASON_MISSING_PERMISSION)
}

func TestAcrossABorderARegionForwardsOnlyForItsOwnSide(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	_, handlers := three(t, m)
	at := func(d *rpc.Dialer, caller string) error {
		client := connect.NewClient[identityv1.FollowOrganizationRequest, identityv1.FollowResponse](d.HTTPClient("identity"),
			d.URL("identity", "eu-central")+identityv1connect.IdentityServiceFollowOrganizationProcedure, connect.WithClientOptions(d.Options()...))
		request := connect.NewRequest(&identityv1.FollowOrganizationRequest{OrgId: string(newOrg("euc")), FollowerRegion: "us-east"})
		request.Header().Set(rpc.HeaderForwarded, "us-east")
		request.Header().Set(rpc.HeaderCaller, caller)
		_, err := client.CallUnary(t.Context(), request)
		return err
	}
	us, eu := m.Dialer(t, "identity", "us-east"), m.Dialer(t, "identity", "eu-west")
	for _, forged := range []string{
		"spiffe://cardea/eu/eu-west/permissions",    // the other side's own service
		"spiffe://cardea/us/eu-west/permissions",    // a region that is not where the name says
		"spiffe://cardea/us/us-nowhere/permissions", // a region that is not there
	} {
		wants(t, at(us, forged), connect.CodeUnauthenticated, faultv1.Reason_REASON_BAD_CALLER)
	}
	if n := handlers["eu-central"].calls.Load(); n != 0 {
		t.Fatalf("%d calls reached a handler", n)
	}
	for d, honest := range map[*rpc.Dialer]string{us: "spiffe://cardea/us/us-east/permissions", eu: "spiffe://cardea/us/us-east/permissions"} {
		if err := at(d, honest); err != nil {
			t.Error(err)
		}
		<-handlers["eu-central"].callers
	}
}

func TestACertificateOfARegionThatIsNotWhereItSaysIsNobodys(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	three(t, m)
	pair, err := m.CA.IssueService("us", "eu-west", "permissions")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	d := m.DialerAs(t, rpc.Identity{Certificate: cert, Roots: m.CA.Pool()})
	_, err = inside(d, "eu-central").FollowOrganization(t.Context(), &identityv1.FollowOrganizationRequest{OrgId: string(newOrg("euc")), FollowerRegion: "us-east"})
	wants(t, err, connect.CodeUnauthenticated, faultv1.Reason_REASON_NO_CALLER)
}

func TestNothingIsForwardedTwice(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	servers, handlers := three(t, m)
	org := newOrg("euc")
	d := m.Dialer(t, "identity", "us-east")
	at := func(where region.Name) error {
		client := connect.NewClient[identityv1.GetOrganizationRequest, identityv1.Organization](d.HTTPClient("identity"),
			d.URL("identity", where)+identityv1connect.IdentityServiceGetOrganizationProcedure, connect.WithClientOptions(d.Options()...))
		request := connect.NewRequest(&identityv1.GetOrganizationRequest{OrgId: string(org)})
		request.Header().Set(rpc.HeaderForwarded, "us-east")
		request.Header().Set("Authorization", "Bearer "+m.Key(org, "organizations.read").Reveal())
		_, err := client.CallUnary(t.Context(), request)
		return err
	}
	servers["us-east"].Stop()
	if err := at("eu-west"); err != nil || handlers["eu-west"].calls.Load() != 1 || handlers["eu-central"].calls.Load() != 0 {
		t.Errorf("in the home's jurisdiction a forwarded call is served: %v", err)
	}
	serve(t, m, "us-east", handlers["us-east"])
	err := at("us-east")
	wants(t, err, connect.CodeFailedPrecondition, faultv1.Reason_REASON_OTHER_HOME)
	if handlers["eu-central"].calls.Load() != 0 || handlers["us-east"].calls.Load() != 0 {
		t.Error("it was passed on")
	}
}
