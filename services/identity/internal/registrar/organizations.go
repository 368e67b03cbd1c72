package registrar

import (
	"context"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/services/identity/internal/postgres"
	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// slugs names the directory of organizations' slugs, and its key.
const slugs = "slug/v1"

// NewOrganization is an organization and what is shown once.
type NewOrganization struct {
	Organization registry.Organization
	AdminKey     string // `cardea_<key id>_<secret>`
	Token        *Token
}

// CreateOrganization makes an organization with its first digest key and its administrator's API key.
// registry.ErrSlugTaken when the jurisdiction has the slug.
func (r *Registrar) CreateOrganization(ctx context.Context, tx pgx.Tx, home region.Region, slug string) (NewOrganization, error) {
	org := registry.Organization{ID: region.NewID(region.Organization, home.Code), Slug: slug}
	commit, err := r.begin(ctx, tx, home.Name, org.ID)
	if err != nil {
		return NewOrganization{}, err
	}
	if err := r.takeSlug(ctx, tx, org); err != nil {
		return NewOrganization{}, err
	}
	org.CreatedAt = commit.RecordedAt
	if err := postgres.InsertOrganization(ctx, tx, home.Name, org); err != nil {
		return NewOrganization{}, err
	}
	commit.Event(outbox.Event{
		Stream: org.ID, Kind: "organization_created",
		Payload: &identityv1.OrganizationCreated{OrgId: string(org.ID), Slug: slug},
	})
	if err := r.addDigestKey(ctx, tx, commit, home, org); err != nil {
		return NewOrganization{}, err
	}
	_, bearer, err := addAPIKey(ctx, tx, commit, home, registry.APIKey{Org: org.ID, Role: registry.OrgAdmin})
	if err != nil {
		return NewOrganization{}, err
	}
	token, err := commit.Flush(ctx)
	return NewOrganization{Organization: org, AdminKey: bearer, Token: token}, err
}

// takeSlug enters the slug in the jurisdiction's directory, which lives in one region, so that the slug is unique in the
// whole jurisdiction without a check across regions.
func (r *Registrar) takeSlug(ctx context.Context, tx pgx.Tx, org registry.Organization) error {
	key, err := postgres.DirectoryKey(ctx, tx, r.directory, slugs, func() registry.Wrapped {
		return r.vault.NewDirectoryKey(slugs)
	})
	if err != nil {
		return err
	}
	hash, err := r.vault.DirectoryHash(slugs, key, org.Slug)
	if err != nil {
		return err
	}
	return postgres.TakeSlug(ctx, tx, r.directory, hash, org.ID)
}

// addDigestKey makes a digest key and publishes it, wrapped, to the gateways of the jurisdiction.
func (r *Registrar) addDigestKey(ctx context.Context, tx pgx.Tx, commit *outbox.Commit, home region.Region, org registry.Organization) error {
	id := region.NewID(region.DigestKey, home.Code)
	_, wrapped := r.vault.NewDigestKey(org.ID, id)
	if err := postgres.InsertDigestKey(ctx, tx, home.Name, org.ID, wrapped, org.CreatedAt); err != nil {
		return err
	}
	putDigestKey(commit, commit.Version, org.ID, wrapped)
	return nil
}

func putDigestKey(commit *outbox.Commit, version int64, org region.ID, key registry.WrappedDigestKey) {
	commit.PutAt(version, outbox.OrgKey(org, "digest_key", key.ID),
		&identityv1.DigestKeyState{Wrapped: key.Sealed, WrappingKeyId: key.KeyID})
}

// Organization reads an organization.
func (r *Registrar) Organization(ctx context.Context, tx pgx.Tx, id region.ID) (registry.Organization, error) {
	home, err := r.regions.Home(id)
	if err != nil {
		return registry.Organization{}, err
	}
	return postgres.Organization(ctx, tx, home.Name, id)
}

// DigestKeys returns an organization's digest keys in a region, oldest first: its own rows anywhere in its jurisdiction,
// what was received of it elsewhere. registry.ErrNoDigestKeys when there are none.
func (r *Registrar) DigestKeys(ctx context.Context, tx pgx.Tx, org region.ID, in region.Region) ([]registry.DigestKey, error) {
	home, err := r.regions.Home(org)
	if err != nil {
		return nil, err
	}
	var wrapped []registry.WrappedDigestKey
	if home.Jurisdiction == in.Jurisdiction {
		wrapped, err = postgres.DigestKeys(ctx, tx, home.Name, org)
	} else {
		wrapped, err = r.receivedKeys(ctx, tx, org, in)
	}
	if err != nil {
		return nil, err
	}
	if len(wrapped) == 0 {
		return nil, registry.ErrNoDigestKeys
	}
	return r.vault.OpenDigestKeys(org, wrapped)
}

// receivedKeys looks in the region, then in its neighbours: the organization may have its site there.
func (r *Registrar) receivedKeys(ctx context.Context, tx pgx.Tx, org region.ID, in region.Region) ([]registry.WrappedDigestKey, error) {
	keys, err := postgres.ReceivedKeys(ctx, tx, in.Name, org)
	for _, neighbour := range r.regions.In(in.Jurisdiction) {
		if err != nil || len(keys) > 0 {
			break
		}
		keys, err = postgres.ReceivedKeys(ctx, tx, neighbour.Name, org)
	}
	return keys, err
}
