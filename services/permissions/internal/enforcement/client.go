package enforcement

import (
	"context"
	"fmt"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1/gatewayv1connect"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Client is Gateways and Standings over the mesh: it asks the service of the commit's region, and where that cannot be
// reached those of the neighbours; all of a jurisdiction see the same rows.
type Client struct{ Dialer *rpc.Dialer }

var (
	_ Gateways  = Client{}
	_ Standings = Client{}
)

// answerTime is how much longer than the wait itself an answer may take.
const answerTime = 2 * time.Second

// WaitApplied implements Gateways.
func (c Client) WaitApplied(ctx context.Context, commit grants.Token, timeout time.Duration) ([]Gateway, []Exposure, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout+answerTime)
	defer cancel()
	client := gatewayv1connect.NewGatewayServiceClient(
		c.Dialer.HTTPClient("device-gateway"), c.Dialer.URL("device-gateway", commit.Region), c.Dialer.Options()...)
	out, err := client.WaitApplied(ctx, &gatewayv1.WaitAppliedRequest{
		OrgId:  string(commit.Org),
		Region: string(commit.Region),
		Token: &typev1.ConsistencyToken{
			Service: commit.Service, Region: string(commit.Region), OrgId: string(commit.Org), Version: commit.Version,
		},
		Timeout: durationpb.New(timeout),
	})
	if err != nil {
		return nil, nil, err
	}
	var all []Gateway
	for _, g := range out.GetGateways() {
		all = append(all, Gateway{
			ID: region.ID(g.GetGatewayId()), Region: region.Name(g.GetRegion()), Version: g.GetVersion(), Applied: g.GetApplied(),
		})
	}
	var exposures []Exposure
	for _, e := range out.GetExposures() {
		one := Exposure{Door: region.ID(e.GetDoorId()), Device: region.ID(e.GetDeviceId())}
		if e.GetUntil() != nil {
			one.Until = e.GetUntil().AsTime()
		}
		exposures = append(exposures, one)
	}
	return all, exposures, nil
}

// Standing implements Standings.
func (c Client) Standing(ctx context.Context, upTo grants.Token) (Standing, error) {
	switch upTo.Service {
	case ownService:
		out, err := c.permissions(upTo.Region).GetStanding(ctx, &permissionsv1.GetStandingRequest{
			OrgId: string(upTo.Org), Region: string(upTo.Region), Version: upTo.Version,
		})
		return standing(out.GetToken(), out.GetCrossings()), err
	case "identity":
		out, err := c.identity(upTo.Region).GetStanding(ctx, &identityv1.GetStandingRequest{
			OrgId: string(upTo.Org), Region: string(upTo.Region), Version: upTo.Version,
		})
		return standing(out.GetToken(), out.GetCrossings()), err
	}
	return Standing{}, fmt.Errorf("no standing of %s", upTo.Service)
}

// Confirm implements Standings for identity. Permissions confirms its own commits only, and these are in its own rows.
func (c Client) Confirm(ctx context.Context, commit grants.Token, crossing outbox.Crossing) error {
	if commit.Service != "identity" {
		return fmt.Errorf("commits of %s in %s are not confirmed from here", commit.Service, commit.Region)
	}
	_, err := c.identity(commit.Region).ConfirmCrossing(ctx, &identityv1.ConfirmCrossingRequest{
		OrgId: string(commit.Org), Region: string(commit.Region), FollowerRegion: string(crossing.Target), Version: crossing.Version,
	})
	return err
}

func (c Client) permissions(in region.Name) permissionsv1connect.PermissionsServiceClient {
	return permissionsv1connect.NewPermissionsServiceClient(c.Dialer.HTTPClient(ownService), c.Dialer.URL(ownService, in), c.Dialer.Options()...)
}

func (c Client) identity(in region.Name) identityv1connect.IdentityServiceClient {
	return identityv1connect.NewIdentityServiceClient(c.Dialer.HTTPClient("identity"), c.Dialer.URL("identity", in), c.Dialer.Options()...)
}

func standing(head *typev1.ConsistencyToken, crossings []*typev1.Crossing) Standing {
	out := Standing{Head: head.GetVersion()}
	for _, c := range crossings {
		out.Crossings = append(out.Crossings, outbox.Crossing{
			Target: region.Name(c.GetRegion()), Version: c.GetVersion(), Sent: c.GetSent(), Confirmed: c.GetConfirmed(),
		})
	}
	return out
}
