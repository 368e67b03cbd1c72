package permissions_test

import (
	"context"
	"testing"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/events"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/permissions/internal/postgres"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

// A tree of shares ends in one commit, however large it is.
func TestALargeTreeOfSharesEndsInOneCommit(t *testing.T) {
	t.Parallel()
	const n = 500
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	person, door := tenant.Person(t), tenant.Door(t, tenant.Site(t, "UTC"))
	grant := tenant.LetShare(t, person, door, 1)
	shareWith(t, svc, tenant, grant, person, n)
	out, err := tenant.Revoke(t.Context(), &permissionsv1.RevokeRequest{OrgId: string(tenant.Org), GrantId: grant})
	if err != nil {
		t.Fatal(err)
	}
	left, err := tenant.ListGrants(t.Context(), &permissionsv1.ListGrantsRequest{OrgId: string(tenant.Org), TargetId: door})
	if err != nil || len(left.GetGrants()) != 0 {
		t.Fatalf("left: %d, %v", len(left.GetGrants()), err)
	}
	svc.Broker.WaitHead(t, west, out.GetToken())
	if keys := svc.Broker.Keys(west, string(tenant.Org)+".site."); len(keys) != 1 {
		t.Errorf("the gateways have %d facts besides the door", len(keys)-1)
	}
}

// shareWith shares a grant with n people in one commit.
func shareWith(t *testing.T, svc *permissionstest.Service, tenant *permissionstest.Tenant, grant, sharer string, n int) {
	t.Helper()
	regions := svc.Mesh.Regions
	commands := grants.Commands{Regions: regions}
	store := postgres.New(postgres.Config{
		DB: svc.Database.DB, Regions: regions, Record: events.Record,
		Outbox: outbox.New(outbox.Config{Service: "permissions", Region: central, Regions: regions, AccessState: true}),
	})
	err := store.Write(t.Context(), grants.Plan{Org: tenant.Org, Home: central}, func(ctx context.Context, tx grants.Tx) error {
		for range n {
			_, err := commands.ShareGrant(ctx, tx, grants.Share{
				Org: tenant.Org, Grant: region.ID(grant), Sharer: region.ID(sharer), Recipient: region.NewID(region.Person, "euc"),
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
