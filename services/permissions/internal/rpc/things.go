package rpc

import (
	"context"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// What is the same for everything that can be read, listed, changed and deleted.

// getRequest asks for a thing.
type getRequest interface {
	freshRequest
	GetOrgId() string
}

// get answers with a thing. p has parsed the request's own fields.
func get[T, M any](ctx context.Context, h *Handler, p *parser, req getRequest, form func(T) M, load func(ctx context.Context, r grants.Reader, org region.ID) (T, error)) (message M, err error) {
	org := p.org(req.GetOrgId())
	var thing T
	err = h.read(ctx, p, req, org, func(ctx context.Context, r grants.Reader) (err error) {
		thing, err = load(ctx, r, org)
		return err
	})
	if err != nil {
		return message, err
	}
	return form(thing), nil
}

// listRequest asks for a page of things.
type listRequest interface {
	getRequest
	pageRequest
}

// list answers with a page of things and the token of the next one. load returns at most limit things after an id.
func list[T, M any](ctx context.Context, h *Handler, p *parser, req listRequest, form func(T) M, id func(T) region.ID, load func(ctx context.Context, r grants.Reader, org region.ID, after string, limit int) ([]T, error)) ([]M, string, error) {
	org, part := p.org(req.GetOrgId()), p.page(req)
	var things []T
	err := h.read(ctx, p, req, org, func(ctx context.Context, r grants.Reader) (err error) {
		things, err = load(ctx, r, org, part.after, part.limit())
		return err
	})
	if err != nil {
		return nil, "", err
	}
	messages, next := pageOf(part, things, form, id)
	return messages, next, nil
}

// updateRequest is a change of what was read.
type updateRequest interface {
	lateRequest
	GetEtag() string
}

// edit is what an update says besides the new value.
func (h *Handler) edit(p *parser, req updateRequest) grants.Edit {
	return grants.Edit{Etag: req.GetEtag(), EffectiveAt: p.effective(req, h.Now())}
}

// plan is that of a command that changes a thing, and looks others up.
func (p *parser) plan(org, id region.ID, reads ...region.ID) grants.Plan {
	return grants.Plan{Org: org, Home: p.home(id), Reads: append(reads, id)}
}

// change runs a command that changes a thing, and returns how it is then.
func change[T any](ctx context.Context, h *Handler, p *parser, plan grants.Plan, command func(ctx context.Context, tx grants.Tx) (T, grants.Token, error)) (thing T, token *typev1.ConsistencyToken, err error) {
	if p.err != nil {
		return thing, nil, p.err
	}
	err = h.Store.Write(ctx, plan, func(ctx context.Context, tx grants.Tx) error {
		var made grants.Token
		var err error
		thing, made, err = command(ctx, tx)
		token = wire(made)
		return err
	})
	return thing, token, err
}

// remove runs a command that ends a thing.
func (h *Handler) remove(ctx context.Context, p *parser, org, id region.ID, command func(ctx context.Context, tx grants.Tx) (grants.Token, error)) (*permissionsv1.DeleteResponse, error) {
	_, token, err := change(ctx, h, p, p.plan(org, id), func(ctx context.Context, tx grants.Tx) (struct{}, grants.Token, error) {
		token, err := command(ctx, tx)
		return struct{}{}, token, err
	})
	return &permissionsv1.DeleteResponse{Token: token}, err
}
