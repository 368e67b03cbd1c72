package permissions_test

import (
	"context"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	"github.com/cardea-mesh/cardea/services/permissions"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/bustest"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

// The process as it is deployed gives a broker that lost its bucket everything back.
func TestALostBucketGetsItsFactsBack(t *testing.T) {
	t.Parallel()
	mesh, broker := rpctest.New(t), bustest.Start(t)
	identity := mesh.Config(t, "identity", central)
	identity.MeshCallers = map[string][]string{"mesh.authenticate": {"permissions"}}
	judged := mesh.Serve(t, identity, func(s *rpc.Server) {
		s.Handle(identityv1connect.NewIdentityServiceHandler(judge{mesh: mesh}, s.Options()...))
	})
	made := dbtest.Make(t, dbtest.Options{Schema: permissions.Schema, Sets: permissions.Migrations()})
	cfg := configOf(t, mesh, judged.URL)
	cfg.Database.URL, cfg.NATS.URL = config.URL(made.URL), broker.URL()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- permissions.Run(ctx, cfg) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()

	org := region.NewID(region.Organization, "euc")
	out := mesh.Public(mesh.Key(org))
	client := permissionsv1connect.NewPermissionsServiceClient(out.HTTPClient(), "https://"+cfg.Mesh.Listen, out.Options()...)
	var site *permissionsv1.CreateSiteResponse
	var err error
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(20 * time.Millisecond) { // the listener is not there yet
		site, err = client.CreateSite(ctx, &permissionsv1.CreateSiteRequest{
			OrgId: string(org), Region: "eu-central", Name: "Site", TimeZone: "UTC", IdempotencyKey: "once",
		})
		if err == nil || time.Now().After(deadline) {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	door, err := client.CreateDoor(ctx, &permissionsv1.CreateDoorRequest{
		OrgId: string(org), SiteId: site.GetSiteId(), Name: "Door", IdempotencyKey: "door",
	})
	if err != nil {
		t.Fatal(err)
	}
	key := outbox.SiteKey(org, region.ID(site.GetSiteId()), "door", region.ID(door.GetDoorId()))
	head := outbox.HeadKey(org, "permissions", central)
	waitState(t, broker, key, door.GetToken().GetVersion())
	waitState(t, broker, head, door.GetToken().GetVersion())
	broker.Lose(t, bus.AccessBucket(central, 0))
	waitState(t, broker, key, door.GetToken().GetVersion())
	waitState(t, broker, head, door.GetToken().GetVersion())
}
