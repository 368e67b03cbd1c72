package postgres

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

const insertPerson = `INSERT INTO people (region, id, org_id, status, sealed, created_at) VALUES ($1, $2, $3, 'active', $4, $5)`

const insertPersonKey = `INSERT INTO person_keys (region, person_id, wrapped, wrapping_key_id) VALUES ($1, $2, $3, $4)`

// InsertPerson adds an active person: the sealed fields and the wrapped key that seals them.
func InsertPerson(ctx context.Context, tx pgx.Tx, home region.Name, p registry.Person, sealed []byte, key registry.Wrapped) error {
	if _, err := tx.Exec(ctx, insertPerson, home, p.ID, p.Org, sealed, p.CreatedAt); err != nil {
		return named("insert person", err)
	}
	_, err := tx.Exec(ctx, insertPersonKey, home, p.ID, key.Sealed, key.KeyID)
	return named("insert person's key", err)
}

// PersonRow is a person as stored.
type PersonRow struct {
	registry.Person                  // Fields are empty: they are in Sealed
	Sealed          []byte           // empty when erased
	ErasedVersion   int64            // the organization's version of the erasing commit; 0: not erased
	Key             registry.Wrapped // empty when erased
}

const selectPerson = `SELECT p.status, p.sealed, p.created_at, p.erased_version, k.wrapped, k.wrapping_key_id
	FROM people p LEFT JOIN person_keys k ON k.region = p.region AND k.person_id = p.id
	WHERE p.region = $1 AND p.id = $2 AND p.org_id = $3`

// Person reads a person with their wrapped key.
func Person(ctx context.Context, tx pgx.Tx, home region.Name, org, id region.ID) (PersonRow, error) {
	p := PersonRow{Person: registry.Person{ID: id, Org: org}}
	var keyID *string
	err := tx.QueryRow(ctx, selectPerson, home, id, org).
		Scan(&p.Status, &p.Sealed, &p.CreatedAt, &p.ErasedVersion, &p.Key.Sealed, &keyID)
	if keyID != nil {
		p.Key.KeyID = *keyID
	}
	return p, one("select person", err)
}

const deletePersonKey = `DELETE FROM person_keys WHERE region = $1 AND person_id = $2`

const updatePersonErased = `UPDATE people SET status = 'erased', sealed = NULL, erased_at = $3, erased_version = $4
	WHERE region = $1 AND id = $2`

const updateCredentialsErased = `UPDATE credentials SET sealed = NULL WHERE region = $1 AND person_id = $2`

// ErasePerson deletes a person's key, and the now unreadable rest with it.
func ErasePerson(ctx context.Context, tx pgx.Tx, home region.Name, id region.ID, at time.Time, version int64) error {
	if _, err := tx.Exec(ctx, deletePersonKey, home, id); err != nil {
		return named("delete person's key", err)
	}
	if _, err := tx.Exec(ctx, updatePersonErased, home, id, at, version); err != nil {
		return named("erase person", err)
	}
	_, err := tx.Exec(ctx, updateCredentialsErased, home, id)
	return named("erase card numbers", err)
}
