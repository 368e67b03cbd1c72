package rpc

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	"github.com/cardea-mesh/cardea/services/permissions/internal/enforcement"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/permissions/internal/projection"
	"github.com/cardea-mesh/cardea/services/permissions/internal/watch"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
)

// Store runs transactions; the closures may run several times.
type Store interface {
	Read(ctx context.Context, fn func(ctx context.Context, r grants.Reader) error) error
	// Write runs fn as part of the next commit that the plan names.
	Write(ctx context.Context, plan grants.Plan, fn func(ctx context.Context, tx grants.Tx) error) error
	// Create is Write, once for key: fn fills out; a repetition fills it with what was answered then. reads are things
	// that fn looks up.
	Create(ctx context.Context, key idempotency.Key, req, out proto.Message, fn func(ctx context.Context, tx grants.Tx) (region.ID, error), reads ...region.ID) error
}

// Handler serves PermissionsService. All fields are required.
type Handler struct {
	Store      Store
	Commands   grants.Commands
	Waiter     *enforcement.Waiter
	Standing   enforcement.Standings // of permissions, in the regions of this jurisdiction
	Projection *projection.Cache     // of the organizations of this jurisdiction
	Bell       *watch.Bell           // tells of commits; the Store rings it
	Now        func() time.Time
}

var _ permissionsv1connect.PermissionsServiceHandler = (*Handler)(nil)

// create runs a command once for the caller and the idempotency key that they chose. reads are things that it looks up.
func (h *Handler) create(ctx context.Context, procedure string, home region.Name, org region.ID, key string, req, out proto.Message, command func(context.Context, grants.Tx) (region.ID, error), reads ...region.ID) error {
	once := idempotency.Key{Region: home, Org: org, Caller: rpc.CallerFrom(ctx).ID, Method: procedure, Key: key}
	return h.Store.Create(ctx, once, req, out, command, reads...)
}
