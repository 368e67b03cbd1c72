package rpc_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"go.opentelemetry.io/otel/trace"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
)

// following tells what trace its handler is in.
type following struct {
	identityv1connect.UnimplementedIdentityServiceHandler
	seen chan trace.SpanContext
}

func (f following) FollowOrganization(ctx context.Context, _ *identityv1.FollowOrganizationRequest) (*identityv1.FollowResponse, error) {
	f.seen <- trace.SpanContextFromContext(ctx)
	return nil, errors.New("disk on fire")
}

func TestWithoutACollectorACallIsStillOneTrace(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t) // its telemetry exports nothing
	f := following{seen: make(chan trace.SpanContext, 1)}
	serveHandler(t, m, "eu-central", f)
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	client := inside(m.Dialer(t, "permissions", "us-east"), "eu-central")
	request := &identityv1.FollowOrganizationRequest{OrgId: string(newOrg("euc")), FollowerRegion: "us-east"}
	_, err := client.FollowOrganization(telemetry.WithTraceparent(t.Context(), parent), request)
	seen := <-f.seen
	if seen.TraceID().String() != parent[3:35] || seen.SpanID().String() == parent[36:52] || seen.IsRemote() {
		t.Errorf("the handler is in %+v", seen)
	}
	if err == nil || !strings.Contains(err.Error(), "trace "+parent[3:35]) {
		t.Errorf("the caller is told %v", err)
	}
}

func TestOnlyLargeAnswersAreCompressed(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	for slug, want := range map[string]string{strings.Repeat("a", 4<<10): "gzip", strings.Repeat("a", 512): ""} {
		server := serveHandler(t, m, "eu-central", &handler{region: region.Name(slug)})
		org := newOrg("euc")
		out := m.Public(m.Key(org, "organizations.read"))
		t.Cleanup(out.CloseIdle)
		got := "nothing"
		look := connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
			return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
				answer, err := next(ctx, req)
				if err == nil {
					got = answer.Header().Get("Content-Encoding")
				}
				return answer, err
			}
		})
		client := identityv1connect.NewIdentityServiceClient(out.HTTPClient(), server.URL, append(out.Options(), connect.WithInterceptors(look))...)
		answer, err := client.GetOrganization(t.Context(), &identityv1.GetOrganizationRequest{OrgId: string(org)})
		if err != nil || answer.GetSlug() != slug || got != want {
			t.Errorf("%d bytes: %v, encoding %q, want %q", len(slug), err, got, want)
		}
	}
}
