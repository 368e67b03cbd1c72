package registry_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	auditv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1"
	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
)

// declared returns the permission of every RPC of every service, by the RPC's name.
func declared() map[string]string {
	all := map[string]string{}
	for _, file := range []protoreflect.FileDescriptor{
		identityv1.File_cardea_identity_v1_identity_proto,
		permissionsv1.File_cardea_permissions_v1_permissions_proto,
		gatewayv1.File_cardea_gateway_v1_gateway_proto,
		auditv1.File_cardea_audit_v1_audit_proto,
	} {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				permission, _ := proto.GetExtension(methods.Get(j).Options(), typev1.E_Permission).(string)
				all[string(methods.Get(j).FullName())] = permission
			}
		}
	}
	return all
}

func forTenants(permission string) bool {
	return permission != "public" && !strings.HasPrefix(permission, "mesh.") && !registry.ForOperators(permission)
}

func TestTheAdministratorHoldsEveryPermissionOfTheProtos(t *testing.T) {
	t.Parallel()
	held := registry.OrgAdmin.Permissions()
	walked := 0
	for method, permission := range declared() {
		if permission == "" {
			t.Errorf("%s declares no permission", method)
		}
		if !forTenants(permission) {
			continue
		}
		walked++
		if !slices.Contains(held, permission) {
			t.Errorf("%s needs %q, which no role holds", method, permission)
		}
	}
	if walked < 20 {
		t.Errorf("only %d RPCs for tenants found: the walk is broken", walked)
	}
}

func TestNoRoleHoldsWhatNoRPCNeedsOrWhatIsNotForTenants(t *testing.T) {
	t.Parallel()
	needed := map[string]bool{}
	for _, permission := range declared() {
		needed[permission] = forTenants(permission)
	}
	for _, role := range []registry.Role{registry.OrgAdmin, registry.SiteManager, registry.Installer, registry.Auditor, registry.Viewer} {
		for _, permission := range role.Permissions() {
			if !needed[permission] {
				t.Errorf("%s holds %q", role, permission)
			}
		}
	}
}

func TestRolesAreWhatTheirDescriptionSays(t *testing.T) {
	t.Parallel()
	for role, want := range map[registry.Role]struct{ yes, no []string }{
		registry.SiteManager: {
			yes: []string{"sites.write", "people.write", "credentials.write", "grants.write", "doors.unlock"},
			no:  []string{"api_keys.write", "people.erase", "ledger.read"},
		},
		registry.Installer: {yes: []string{"doors.write", "devices.write"}, no: []string{"people.read", "doors.unlock", "grants.write"}},
		registry.Auditor:   {yes: []string{"ledger.read", "people.read", "access.history"}, no: []string{"people.write", "grants.write"}},
		registry.Viewer:    {yes: []string{"doors.read"}, no: []string{"people.read", "ledger.read", "credentials.write"}},
		registry.Role("?"): {no: []string{"organizations.read"}},
	} {
		held := role.Permissions()
		for _, p := range want.yes {
			if !slices.Contains(held, p) {
				t.Errorf("%s lacks %s", role, p)
			}
		}
		for _, p := range want.no {
			if slices.Contains(held, p) {
				t.Errorf("%s holds %s", role, p)
			}
		}
	}
	for _, role := range []registry.Role{registry.Auditor, registry.Viewer} {
		for _, p := range role.Permissions() {
			if strings.HasSuffix(p, ".write") || strings.HasSuffix(p, ".erase") || strings.HasSuffix(p, ".unlock") {
				t.Errorf("%s, who reads, holds %s", role, p)
			}
		}
	}
}
