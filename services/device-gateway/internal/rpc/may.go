package rpc

import (
	"context"

	"connectrpc.com/connect"
	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	platformrpc "github.com/cardea-mesh/cardea/services/platform/rpc"
)

// mayCommand holds a caller to what an action does at the door, besides the method's own permission: whoever installs locks commands
// them, and may neither open doors by that nor decide about lockdowns.
func mayCommand(ctx context.Context, c *lockwirev1.Command) error {
	permission := ""
	switch c.GetAction().(type) {
	case *lockwirev1.Command_HoldOpen:
		permission = "doors.unlock"
	case *lockwirev1.Command_Lockdown:
		permission = "lockdowns.write"
	}
	if permission == "" || platformrpc.CallerFrom(ctx).Permissions[permission] {
		return nil
	}
	return fault.New(connect.CodePermissionDenied, faultv1.Reason_REASON_MISSING_PERMISSION,
		"this command also needs the permission %s, which the caller lacks", permission).With(permission)
}

// ofJurisdiction refuses gateways of another one: they hold no lock of this one, and no caller of theirs was authorized here.
func (h *Handler) ofJurisdiction(ctx context.Context) error {
	if peer := platformrpc.CallerFrom(ctx).Region; !h.Regions.Together(peer, h.Own.Name) {
		return fault.New(connect.CodePermissionDenied, faultv1.Reason_REASON_MISSING_PERMISSION,
			"a gateway of region %s may not reach the locks of region %s", peer, h.Own.Name)
	}
	return nil
}
