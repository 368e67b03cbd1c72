package rpc_test

import (
	"testing"

	"connectrpc.com/connect"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

func TestEachInstanceOfARegionCanBeAsked(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	d := m.Dialer(t, "permissions", "eu-central")
	if all, err := d.Each(t.Context(), "identity", "eu-central"); err != nil || len(all) != 0 {
		t.Fatalf("where nobody is: %v, %v", all, err)
	}
	handlers := []*handler{{}, {}}
	var last *rpctest.Server
	for _, h := range handlers {
		last = serve(t, m, "eu-central", h)
	}
	ask := func(url string) error {
		_, err := identityv1connect.NewIdentityServiceClient(d.HTTPClient("identity"), url, d.Options()...).
			FollowOrganization(t.Context(), &identityv1.FollowOrganizationRequest{OrgId: string(newOrg("euc")), FollowerRegion: "us-east"})
		return err
	}
	all, err := d.Each(t.Context(), "identity", "eu-central")
	if err != nil || len(all) != 2 {
		t.Fatalf("%v, %v", all, err)
	}
	for _, url := range all {
		if err := ask(url); err != nil {
			t.Fatal(err)
		}
	}
	for i, h := range handlers {
		if n := h.calls.Load(); n != 1 {
			t.Errorf("instance %d was called %d times", i, n)
		}
	}
	// One that is gone is not replaced by another: the directory lists the newest first.
	last.Stop()
	wants(t, ask(all[0]), connect.CodeUnavailable, faultv1.Reason_REASON_DEPENDENCY_DOWN)
}
