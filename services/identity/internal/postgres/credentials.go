package postgres

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

const selectDigestTaken = `SELECT EXISTS (SELECT 1 FROM credential_digests
	WHERE region = $1 AND org_id = $2 AND key_id = $3 AND digest = $4 AND active)`

// DigestTaken says whether an active credential of the organization in a region has the digest. Together with the insert in
// one serializable transaction it keeps a card unique over several regions.
func DigestTaken(ctx context.Context, tx pgx.Tx, home region.Name, org region.ID, digest registry.Digest) (taken bool, err error) {
	err = tx.QueryRow(ctx, selectDigestTaken, home, org, digest.KeyID, digest.Sum).Scan(&taken)
	return taken, named("look for the digest", err)
}

const insertCredential = `INSERT INTO credentials (region, id, org_id, person_id, kind, status, sealed, issued_at)
	VALUES ($1, $2, $3, $4, $5, 'active', $6, $7)`

const insertCredentialDigest = `INSERT INTO credential_digests (region, credential_id, key_id, org_id, digest, active)
	VALUES ($1, $2, $3, $4, $5, true)`

// InsertCredential adds an active credential with its digests; registry.ErrCardTaken when the region has one of them.
func InsertCredential(ctx context.Context, tx pgx.Tx, home region.Name, c registry.Credential, sealed []byte) error {
	if _, err := tx.Exec(ctx, insertCredential, home, c.ID, c.Org, c.Person, c.Kind, sealed, c.IssuedAt); err != nil {
		return named("insert credential", err)
	}
	for _, d := range c.Digests {
		_, err := tx.Exec(ctx, insertCredentialDigest, home, c.ID, d.KeyID, c.Org, d.Sum)
		if name, broken := database.Constraint(err); broken && name == "credential_digests_active" {
			return registry.ErrCardTaken
		}
		if err != nil {
			return named("insert digest", err)
		}
	}
	return nil
}

// CredentialRow is a credential as stored, without its number.
type CredentialRow struct {
	registry.Credential
	RevokedVersion int64 // the organization's version of the revoking commit; 0: not revoked
}

const selectCredential = `SELECT id, org_id, person_id, kind, status, issued_at, revoked_at, revoked_version
	FROM credentials WHERE region = $1 AND id = $2 AND org_id = $3`

// Credential reads a credential with its digests.
func Credential(ctx context.Context, tx pgx.Tx, home region.Name, org, id region.ID) (CredentialRow, error) {
	rows, err := tx.Query(ctx, selectCredential, home, id, org)
	if err != nil {
		return CredentialRow{}, named("select credential", err)
	}
	c, err := pgx.CollectExactlyOneRow(rows, scanCredential)
	if err != nil {
		return CredentialRow{}, one("select credential", err)
	}
	c.Digests, err = digests(ctx, tx, home, c.ID)
	return c, err
}

const selectActiveCredentials = `SELECT id, org_id, person_id, kind, status, issued_at, revoked_at, revoked_version
	FROM credentials WHERE region = $1 AND person_id = $2 AND status = 'active' ORDER BY id`

// ActiveCredentials reads what a person carries, with digests.
func ActiveCredentials(ctx context.Context, tx pgx.Tx, home region.Name, person region.ID) ([]CredentialRow, error) {
	rows, err := tx.Query(ctx, selectActiveCredentials, home, person)
	if err != nil {
		return nil, named("select credentials", err)
	}
	all, err := pgx.CollectRows(rows, scanCredential)
	if err != nil {
		return nil, named("select credentials", err)
	}
	for i := range all {
		if all[i].Digests, err = digests(ctx, tx, home, all[i].ID); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func scanCredential(row pgx.CollectableRow) (c CredentialRow, err error) {
	var revoked *time.Time
	err = row.Scan(&c.ID, &c.Org, &c.Person, &c.Kind, &c.Status, &c.IssuedAt, &revoked, &c.RevokedVersion)
	c.RevokedAt = zero(revoked)
	return c, err
}

const selectDigests = `SELECT key_id, digest FROM credential_digests WHERE region = $1 AND credential_id = $2 ORDER BY key_id`

func digests(ctx context.Context, tx pgx.Tx, home region.Name, credential region.ID) ([]registry.Digest, error) {
	rows, err := tx.Query(ctx, selectDigests, home, credential)
	if err != nil {
		return nil, named("select digests", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d registry.Digest, err error) {
		err = row.Scan(&d.KeyID, &d.Sum)
		return d, err
	})
	return all, named("select digests", err)
}

const updateCredentialRevoked = `UPDATE credentials SET status = 'revoked', revoked_at = $3, revoked_version = $4
	WHERE region = $1 AND id = $2 AND status = 'active'`

const updateDigestsRevoked = `UPDATE credential_digests SET active = false WHERE region = $1 AND credential_id = $2`

// RevokeCredential ends a credential and frees its card for another one.
func RevokeCredential(ctx context.Context, tx pgx.Tx, home region.Name, id region.ID, at time.Time, version int64) error {
	if _, err := tx.Exec(ctx, updateCredentialRevoked, home, id, at, version); err != nil {
		return named("revoke credential", err)
	}
	_, err := tx.Exec(ctx, updateDigestsRevoked, home, id)
	return named("free the card", err)
}
