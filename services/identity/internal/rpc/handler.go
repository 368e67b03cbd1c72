// Package rpc answers identity's calls: proto to domain and back, one transaction each, and the table of errors. Who may
// call, where a call goes and whether its fields hold the protos' rules was checked before a handler runs (platform/rpc).
//
// Handlers keep nothing between calls and are safe for concurrent use.
package rpc

import (
	"context"

	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	"github.com/cardea-mesh/cardea/services/identity/internal/registrar"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
)

// Handler implements IdentityService.
type Handler struct {
	db        *database.DB
	regions   *region.Map
	registrar *registrar.Registrar
	keeper    *idempotency.Keeper
}

var _ identityv1connect.IdentityServiceHandler = (*Handler)(nil)

// New makes the handlers.
func New(db *database.DB, regions *region.Map, r *registrar.Registrar, keeper *idempotency.Keeper) *Handler {
	return &Handler{db: db, regions: regions, registrar: r, keeper: keeper}
}

// create runs a command that makes something, once for each idempotency key: do fills answer and returns the new id. A
// repeated call gets the first one's answer back.
func (h *Handler) create(ctx context.Context, key idempotency.Key, request, answer proto.Message, do func(context.Context, pgx.Tx) (region.ID, error)) error {
	key.Caller = rpc.CallerFrom(ctx).ID
	return h.db.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		proto.Reset(answer) // what a lost attempt wrote
		_, err := h.keeper.Do(ctx, tx, key, request, answer, func() (string, error) {
			id, err := do(ctx, tx)
			return string(id), err
		})
		return err
	})
}
