package rpc

import (
	"context"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// What is the same for everything that can be read, listed, changed and deleted.

// readRequest is what every read has.
type readRequest interface {
	GetOrgId() string
	GetAtLeast() []*typev1.ConsistencyToken
}

// read answers from one state, at least as fresh as the request asks. p has parsed the request's own fields.
func read[T any](ctx context.Context, h *Handler, p *parser, req readRequest, load func(ctx context.Context, r grants.Reader, org region.ID) (T, error)) (thing T, err error) {
	org := p.org(req.GetOrgId())
	atLeast := p.tokens("at_least", req.GetAtLeast(), org)
	if p.err != nil {
		return thing, p.err
	}
	err = h.Store.Read(ctx, func(ctx context.Context, r grants.Reader) (err error) {
		if err := r.Fresh(ctx, atLeast); err != nil {
			return err
		}
		thing, err = load(ctx, r, org)
		return err
	})
	return thing, err
}

// listRequest asks for a page of things.
type listRequest interface {
	pageRequest
	readRequest
}

// page is a part of a list, ascending by id.
type page[T any] struct {
	things []T
	next   string // token of the next page; empty: this was the last
}

// list reads a page. load returns at most limit things after an id.
func list[T any](ctx context.Context, h *Handler, p *parser, req listRequest, id func(T) region.ID, load func(ctx context.Context, r grants.Reader, org region.ID, after string, limit int) ([]T, error)) (page[T], error) {
	c, err := readCursor(req)
	if err != nil {
		p.fail("page_token", err)
	}
	limit := size(req)
	things, err := read(ctx, h, p, req, func(ctx context.Context, r grants.Reader, org region.ID) ([]T, error) {
		return load(ctx, r, org, c.After, limit+1) // one more tells whether there is a next page
	})
	if err != nil || len(things) <= limit {
		return page[T]{things: things}, err
	}
	things = things[:limit]
	c.After = string(id(things[limit-1]))
	return page[T]{things, c.text()}, nil
}

// wires puts things into the form of the contracts.
func wires[T, W any](things []T, form func(T) W) []W {
	all := make([]W, len(things))
	for i, thing := range things {
		all[i] = form(thing)
	}
	return all
}

// edit is what an update says besides the new value.
func (p *parser) edit(etag string, effectiveAt *timestamppb.Timestamp) grants.Edit {
	return grants.Edit{Etag: etag, EffectiveAt: p.time("effective_at", effectiveAt)}
}

// change runs a command that changes a thing, and returns how it is then.
func change[T any](ctx context.Context, h *Handler, p *parser, command func(ctx context.Context, tx grants.Tx) (T, grants.Token, error)) (thing T, token *typev1.ConsistencyToken, err error) {
	if p.err != nil {
		return thing, nil, p.err
	}
	err = h.Store.Write(ctx, func(ctx context.Context, tx grants.Tx) error {
		var made grants.Token
		var err error
		thing, made, err = command(ctx, tx)
		token = wire(made)
		return err
	})
	return thing, token, err
}

// remove runs a command that ends a thing.
func (h *Handler) remove(ctx context.Context, p *parser, command func(ctx context.Context, tx grants.Tx) (grants.Token, error)) (*permissionsv1.DeleteResponse, error) {
	_, token, err := change(ctx, h, p, func(ctx context.Context, tx grants.Tx) (struct{}, grants.Token, error) {
		token, err := command(ctx, tx)
		return struct{}{}, token, err
	})
	return &permissionsv1.DeleteResponse{Token: token}, err
}
