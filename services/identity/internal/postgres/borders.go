package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// Follower is a region of another jurisdiction that follows a person or an organization, because a source said so.
type Follower struct {
	Org       region.ID
	Subject   region.ID // a person or an organization
	Region    region.Name
	Source    registry.Source
	Following bool
}

const upsertFollower = `INSERT INTO followers (region, subject_id, follower_region, source_region, source_version, org_id, following)
	VALUES ($1, $2, $3, $4, $5, $6, $7)
	ON CONFLICT (region, subject_id, follower_region, source_region)
	DO UPDATE SET source_version = excluded.source_version, following = excluded.following
	WHERE followers.source_version < excluded.source_version`

// SetFollower records what a source says, unless it said something newer before.
func SetFollower(ctx context.Context, tx pgx.Tx, home region.Name, f Follower) error {
	_, err := tx.Exec(ctx, upsertFollower, home, f.Subject, f.Region, f.Source.Region, f.Source.Version, f.Org, f.Following)
	return named("set follower", err)
}

const selectFollowers = `SELECT DISTINCT follower_region FROM followers
	WHERE region = $1 AND subject_id = $2 AND following ORDER BY follower_region`

// Followers returns the regions that follow, for whatever number of sources.
func Followers(ctx context.Context, tx pgx.Tx, home region.Name, subject region.ID) ([]region.Name, error) {
	rows, err := tx.Query(ctx, selectFollowers, home, subject)
	if err != nil {
		return nil, named("select followers", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[region.Name])
	return names, named("select followers", err)
}

const selectReceivedOrganization = `SELECT source_version FROM received_organizations WHERE region = $1 AND org_id = $2`

// ReceivedOrganization returns the version at its home from which an organization was last received; 0: never.
func ReceivedOrganization(ctx context.Context, tx pgx.Tx, here region.Name, org region.ID) (version int64, err error) {
	err = tx.QueryRow(ctx, selectReceivedOrganization, here, org).Scan(&version)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return version, named("select received organization", err)
}

const upsertReceivedOrganization = `INSERT INTO received_organizations (region, org_id, source_version, received_at)
	VALUES ($1, $2, $3, $4)
	ON CONFLICT (region, org_id) DO UPDATE SET source_version = excluded.source_version, received_at = excluded.received_at`

const deleteReceivedKeys = `DELETE FROM received_digest_keys WHERE region = $1 AND org_id = $2`

const insertReceivedKey = `INSERT INTO received_digest_keys (region, org_id, key_id, ordinal, wrapped, wrapping_key_id)
	VALUES ($1, $2, $3, $4, $5, $6)`

// ReplaceReceivedKeys replaces the digest keys of an organization of another jurisdiction, oldest first.
func ReplaceReceivedKeys(ctx context.Context, tx pgx.Tx, here region.Name, org region.ID, keys []registry.WrappedDigestKey, version int64, at time.Time) error {
	if _, err := tx.Exec(ctx, upsertReceivedOrganization, here, org, version, at); err != nil {
		return named("receive organization", err)
	}
	if _, err := tx.Exec(ctx, deleteReceivedKeys, here, org); err != nil {
		return named("forget received keys", err)
	}
	for i, key := range keys {
		if _, err := tx.Exec(ctx, insertReceivedKey, here, org, key.ID, i, key.Sealed, key.KeyID); err != nil {
			return named("receive digest key", err)
		}
	}
	return nil
}

const selectReceivedKeys = `SELECT key_id, wrapped, wrapping_key_id FROM received_digest_keys
	WHERE region = $1 AND org_id = $2 ORDER BY ordinal`

// ReceivedKeys returns the digest keys that a region received of an organization of another jurisdiction, oldest first.
func ReceivedKeys(ctx context.Context, tx pgx.Tx, here region.Name, org region.ID) ([]registry.WrappedDigestKey, error) {
	return digestKeys(ctx, tx, selectReceivedKeys, here, org)
}

// ReceivedCredential is what a region knows of a credential of another jurisdiction.
type ReceivedCredential struct {
	ID      region.ID
	Org     region.ID
	Person  region.ID
	Live    bool   // active, and its person holds a grant here
	State   []byte // a serialized CredentialState
	Version int64  // at its home
}

const selectReceivedCredential = `SELECT org_id, person_id, live, state, source_version
	FROM received_credentials WHERE region = $1 AND credential_id = $2`

// ReceivedCredentialOf reads what a region received; registry.ErrNotFound when nothing.
func ReceivedCredentialOf(ctx context.Context, tx pgx.Tx, here region.Name, id region.ID) (ReceivedCredential, error) {
	c := ReceivedCredential{ID: id}
	err := tx.QueryRow(ctx, selectReceivedCredential, here, id).Scan(&c.Org, &c.Person, &c.Live, &c.State, &c.Version)
	return c, one("select received credential", err)
}

const upsertReceivedCredential = `INSERT INTO received_credentials
	(region, credential_id, org_id, person_id, live, state, source_version, received_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
	ON CONFLICT (region, credential_id) DO UPDATE
	SET live = excluded.live, state = excluded.state, source_version = excluded.source_version, received_at = excluded.received_at`

// SetReceivedCredential records what was received; the caller has compared the versions in this transaction.
func SetReceivedCredential(ctx context.Context, tx pgx.Tx, here region.Name, c ReceivedCredential, at time.Time) error {
	_, err := tx.Exec(ctx, upsertReceivedCredential, here, c.ID, c.Org, c.Person, c.Live, c.State, c.Version, at)
	return named("receive credential", err)
}
