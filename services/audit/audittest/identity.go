package audittest

import (
	"context"
	"testing"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	"github.com/cardea-mesh/cardea/services/audit"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

// identities returns the addresses of identity in the mesh; when there is none it starts one in the region.
func identities(t testing.TB, mesh *rpctest.Mesh, in region.Name) map[region.Name][]string {
	t.Helper()
	found := map[region.Name][]string{}
	for _, r := range mesh.Regions.All() {
		instances, err := mesh.Instances(context.Background(), "identity", r.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, instance := range instances {
			found[r.Name] = append(found[r.Name], instance.URL)
		}
	}
	if len(found) > 0 {
		return found
	}
	cfg := mesh.Config(t, "identity", in)
	cfg.MeshCallers = map[string][]string{"mesh.authenticate": {audit.Service}}
	server := mesh.Serve(t, cfg, func(s *rpc.Server) {
		s.Handle(identityv1connect.NewIdentityServiceHandler(keys{mesh: mesh}, s.Options()...))
	})
	return map[region.Name][]string{in: {server.URL}}
}

// keys is as much of identity as audit asks: who presents an API key.
type keys struct {
	identityv1connect.UnimplementedIdentityServiceHandler
	mesh *rpctest.Mesh
}

func (k keys) AuthenticateKey(ctx context.Context, req *identityv1.AuthenticateKeyRequest) (*identityv1.AuthenticateKeyResponse, error) {
	caller, err := k.mesh.Authenticate(ctx, region.ID(req.KeyId), [32]byte(req.SecretSha256))
	if err != nil {
		return nil, err
	}
	answer := &identityv1.AuthenticateKeyResponse{KeyId: req.KeyId, OrgId: string(caller.Org)}
	for permission := range caller.Permissions {
		answer.Permissions = append(answer.Permissions, permission)
	}
	return answer, nil
}
