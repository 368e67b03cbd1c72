package e2e

import (
	"testing"

	auditv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1"
	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// TestEveryRPCDeclaresItself walks all RPCs of all services: each has a permission, a data class, a home and, but for
// those that come before there is an organization, an organization. That a stranger is refused on each of them is tested
// against the running service, in each service's own tests.
func TestEveryRPCDeclaresItself(t *testing.T) {
	files := []protoreflect.FileDescriptor{
		identityv1.File_cardea_identity_v1_identity_proto,
		permissionsv1.File_cardea_permissions_v1_permissions_proto,
		gatewayv1.File_cardea_gateway_v1_gateway_proto,
		auditv1.File_cardea_audit_v1_audit_proto,
	}
	rpcs := 0
	for _, f := range files {
		for i := range f.Services().Len() {
			rpcs += f.Services().Get(i).Methods().Len()
		}
	}
	if rpcs < 35 {
		t.Fatalf("only %d RPCs: this test would prove little", rpcs)
	}
	err := rpc.Walk(files,
		"cardea.identity.v1.IdentityService.CreateOrganization", "cardea.identity.v1.IdentityService.AuthenticateKey")
	if err != nil {
		t.Error(err)
	}
}
