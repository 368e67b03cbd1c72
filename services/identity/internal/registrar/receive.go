package registrar

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cardea-mesh/cardea/services/identity/internal/postgres"
	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// ReceiveOrganization takes an organization's digest keys from its home, wraps them for this jurisdiction, and publishes
// them to its gateways. What is not newer than what came before is ignored: the token is nil then.
func (r *Registrar) ReceiveOrganization(ctx context.Context, tx pgx.Tx, org region.ID, here region.Region, keys []registry.DigestKey, source registry.Source) (*Token, error) {
	if err := r.checkSource(org, here, source); err != nil {
		return nil, err
	}
	known, err := postgres.ReceivedOrganization(ctx, tx, here.Name, org)
	if err != nil || source.Version <= known {
		return nil, err
	}
	old, err := postgres.ReceivedKeys(ctx, tx, here.Name, org)
	if err != nil {
		return nil, err
	}
	wrapped := make([]registry.WrappedDigestKey, len(keys))
	for i, key := range keys {
		wrapped[i] = r.vault.WrapDigestKey(org, key)
	}
	commit, err := r.begin(ctx, tx, here.Name, org)
	if err != nil {
		return nil, err
	}
	if err := postgres.ReplaceReceivedKeys(ctx, tx, here.Name, org, wrapped, source.Version, commit.RecordedAt); err != nil {
		return nil, err
	}
	for _, key := range old {
		if !slices.ContainsFunc(wrapped, func(w registry.WrappedDigestKey) bool { return w.ID == key.ID }) {
			commit.RemoveAt(source.Version, outbox.OrgKey(org, "digest_key", key.ID))
		}
	}
	for _, key := range wrapped {
		putDigestKey(commit, source.Version, org, key)
	}
	return commit.Flush(ctx)
}

// ReceiveCredential takes a credential's opaque facts from its home: into the access state of this jurisdiction while it is
// active and its person holds a grant here, out of it afterwards. What is not newer than what came before is ignored: the
// token is nil then.
func (r *Registrar) ReceiveCredential(ctx context.Context, tx pgx.Tx, here region.Region, c registry.Credential, withdrawn bool, source registry.Source) (*Token, error) {
	if err := r.checkSource(c.ID, here, source); err != nil {
		return nil, err
	}
	// The person too: else another jurisdiction could give a card of its own making to a person of ours.
	if err := r.checkSource(c.Person, here, source); err != nil {
		return nil, err
	}
	known, err := postgres.ReceivedCredentialOf(ctx, tx, here.Name, c.ID)
	switch {
	case errors.Is(err, registry.ErrNotFound):
	case err != nil:
		return nil, err
	case known.Org != c.Org || known.Person != c.Person:
		return nil, fmt.Errorf("%w: %s belongs to somebody else here", registry.ErrForeignSource, c.ID)
	case source.Version <= known.Version:
		return nil, nil
	}
	state, err := marshal(stateOf(c))
	if err != nil {
		return nil, err
	}
	commit, err := r.begin(ctx, tx, here.Name, c.Org)
	if err != nil {
		return nil, err
	}
	now := postgres.ReceivedCredential{
		ID: c.ID, Org: c.Org, Person: c.Person, Version: source.Version, State: state,
		Live: c.Status == registry.Active && !withdrawn,
	}
	if err := postgres.SetReceivedCredential(ctx, tx, here.Name, now, commit.RecordedAt); err != nil {
		return nil, err
	}
	if err := r.publishReceived(ctx, tx, commit, here, c, now); err != nil {
		return nil, err
	}
	return commit.Flush(ctx)
}

// publishReceived brings the access state up to what is known, at the version of the credential's home, so that several
// regions of this jurisdiction that receive the same fact agree on which is newer. The state is the whole jurisdiction's: what a neighbour
// region still follows stays when this region's last grant is gone.
func (r *Registrar) publishReceived(ctx context.Context, tx pgx.Tx, commit *outbox.Commit, here region.Region, c registry.Credential, now postgres.ReceivedCredential) error {
	if now.Live {
		commit.PutAt(now.Version, stateKey(c), stateOf(c))
		return nil
	}
	for _, neighbour := range r.regions.In(here.Jurisdiction) {
		if neighbour.Name == here.Name || c.Status == registry.Revoked {
			continue
		}
		there, err := postgres.ReceivedCredentialOf(ctx, tx, neighbour.Name, c.ID)
		if err == nil && there.Live {
			return nil
		}
		if err != nil && !errors.Is(err, registry.ErrNotFound) {
			return err
		}
	}
	commit.RemoveAt(now.Version, stateKey(c))
	return nil
}

// checkSource refuses facts that do not come from the home of what they are about, or that have not crossed a border.
func (r *Registrar) checkSource(id region.ID, here region.Region, source registry.Source) error {
	home, err := r.regions.Home(id)
	if err != nil {
		return err
	}
	if home.Name != source.Region {
		return fmt.Errorf("%w: %s is at home in %s", registry.ErrForeignSource, id, home.Name)
	}
	if home.Jurisdiction == here.Jurisdiction {
		return registry.ErrSameJurisdiction
	}
	return nil
}
