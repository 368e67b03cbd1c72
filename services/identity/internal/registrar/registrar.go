// Package registrar changes the registry: each exported method is one command inside the caller's transaction. It reads and
// writes rows, and through the outbox the events, the access state of gateways and the calls across a border that belong to
// the same commit.
//
// Rows are always those of the home that an id or a request names, never "this region's": a neighbour of the jurisdiction
// serves while the home's instance is down. A thing of another organization is registry.ErrNotFound. Commands that were
// carried out before (revoke, erase) name the commit that did it and change nothing.
//
// A Registrar never changes and is safe for concurrent use; a transaction belongs to one goroutine. Commands may run twice
// (the transaction is retried), so they keep nothing outside the transaction.
package registrar

import (
	"context"
	"fmt"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/identity/internal/vault"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// Service is identity's name in tokens, events and heads.
const Service = "identity"

// Token names a commit.
type Token = typev1.ConsistencyToken

// Config is what a Registrar needs; every field but Draw is required.
type Config struct {
	Regions *region.Map
	Vault   *vault.Vault
	Outbox  *outbox.Outbox
	// Directory is the region of this jurisdiction where its directories (slugs) live. It must never change: a directory
	// that moves forgets whom it knows.
	Directory region.Name
	// Now is the clock by which keys expire.
	Now func() time.Time
	// Draw draws the digits of a PIN or entry code; nil: the function Draw.
	Draw func(kind string) registry.Digits
}

// Registrar carries out commands.
type Registrar struct {
	regions   *region.Map
	vault     *vault.Vault
	outbox    *outbox.Outbox
	directory region.Name
	now       func() time.Time
	draw      func(kind string) registry.Digits
}

// New makes a Registrar.
func New(cfg Config) *Registrar {
	if cfg.Draw == nil {
		cfg.Draw = Draw
	}
	return &Registrar{
		regions: cfg.Regions, vault: cfg.Vault, outbox: cfg.Outbox, directory: cfg.Directory, now: cfg.Now, draw: cfg.Draw,
	}
}

// Home is the region where an id's rows are.
func (r *Registrar) Home(id region.ID) (region.Region, error) { return r.regions.Home(id) }

// begin locks the organization's version and makes the next one. Commands that always write begin before they read:
// writers of one organization then wait for each other instead of running again. It is an error to return nil from the
// transaction after begin without a flush: the version would have no head in the access state.
func (r *Registrar) begin(ctx context.Context, tx pgx.Tx, home region.Name, org region.ID) (*outbox.Commit, error) {
	commit, err := r.outbox.Begin(ctx, tx, home, org)
	if err != nil {
		return nil, fmt.Errorf("begin a commit of %s: %w", org, err)
	}
	return commit, nil
}

// token names an earlier or the present commit of an organization in a region.
func token(home region.Name, org region.ID, version int64) *Token {
	return &Token{Service: Service, Region: string(home), OrgId: string(org), Version: version}
}
