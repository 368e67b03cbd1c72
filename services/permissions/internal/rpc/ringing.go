package rpc

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/permissions/internal/watch"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Ringing is a store whose commits wake those who watch.
func Ringing(of Store, bell *watch.Bell) Store { return ringing{of, bell} }

type ringing struct {
	Store
	bell *watch.Bell
}

func (r ringing) Write(ctx context.Context, fn func(ctx context.Context, tx grants.Tx) error) error {
	var made *noting
	err := r.Store.Write(ctx, func(ctx context.Context, tx grants.Tx) error {
		made = &noting{Tx: tx}
		return fn(ctx, made)
	})
	r.ring(made)
	return err
}

func (r ringing) Create(ctx context.Context, key idempotency.Key, req, out proto.Message, fn func(ctx context.Context, tx grants.Tx) (region.ID, error)) error {
	var made *noting
	err := r.Store.Create(ctx, key, req, out, func(ctx context.Context, tx grants.Tx) (region.ID, error) {
		made = &noting{Tx: tx}
		return fn(ctx, made)
	})
	r.ring(made)
	return err
}

// ring also after an error: the outcome may be unknown, and waking in vain does no harm.
func (r ringing) ring(made *noting) {
	if made == nil {
		return
	}
	for _, commit := range made.commits {
		r.bell.Ring(commit)
	}
}

// noting notes the commits that one run of a transaction begins.
type noting struct {
	grants.Tx
	commits []grants.Token
}

func (n *noting) Commit(ctx context.Context, home region.Name, org region.ID) (grants.Commit, error) {
	c, err := n.Tx.Commit(ctx, home, org)
	if err == nil {
		n.commits = append(n.commits, c.Token())
	}
	return c, err
}
