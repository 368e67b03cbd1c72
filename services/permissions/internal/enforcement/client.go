package enforcement

import (
	"context"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1/gatewayv1connect"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Client is Gateways over the mesh: it asks the gateway service of the commit's region, and where that cannot be reached
// those of the neighbours; all of a jurisdiction see the same register.
type Client struct{ Dialer *rpc.Dialer }

// answerTime is how much longer than the wait itself an answer may take.
const answerTime = 2 * time.Second

// WaitApplied implements Gateways.
func (c Client) WaitApplied(ctx context.Context, commit grants.Token, timeout time.Duration) ([]Gateway, error) {
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
		return nil, err
	}
	var all []Gateway
	for _, g := range out.GetGateways() {
		all = append(all, Gateway{
			ID: region.ID(g.GetGatewayId()), Region: region.Name(g.GetRegion()), Version: g.GetVersion(), Applied: g.GetApplied(),
		})
	}
	return all, nil
}
