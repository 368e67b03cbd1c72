package registrar

import (
	"context"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	"github.com/cardea-mesh/cardea/services/identity/internal/postgres"
	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/identity/internal/vault"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// CreatePerson records a person in the region that the tenant chose. The fields are sealed before they reach a statement.
func (r *Registrar) CreatePerson(ctx context.Context, tx pgx.Tx, org region.ID, home region.Region, fields registry.Fields) (region.ID, *Token, error) {
	id := region.NewID(region.Person, home.Code)
	key, wrapped, err := r.vault.NewPersonKey(id)
	if err != nil {
		return "", nil, err
	}
	sealed, err := sealFields(key, id, fields)
	if err != nil {
		return "", nil, err
	}
	commit, err := r.begin(ctx, tx, home.Name, org)
	if err != nil {
		return "", nil, err
	}
	foreign, err := r.checkOrganization(ctx, tx, org, home)
	if err != nil {
		return "", nil, err
	}
	person := registry.Person{ID: id, Org: org, CreatedAt: commit.RecordedAt}
	if err := postgres.InsertPerson(ctx, tx, home.Name, person, sealed, wrapped); err != nil {
		return "", nil, err
	}
	commit.Event(outbox.Event{
		Stream: id, Kind: "person_created", Payload: &identityv1.PersonCreated{PersonId: string(id)},
		Sealed: sealed, KeyID: string(id),
	})
	if foreign {
		if err := r.askForKeys(ctx, tx, commit, org, home); err != nil {
			return "", nil, err
		}
	}
	token, err := commit.Flush(ctx)
	return id, token, err
}

// checkOrganization says whether an organization's home is across the border of a region. One on this side must be there;
// for one across the border the caller's key, which its home has confirmed, is the proof.
func (r *Registrar) checkOrganization(ctx context.Context, tx pgx.Tx, org region.ID, from region.Region) (foreign bool, err error) {
	home, err := r.regions.Home(org)
	if err != nil || home.Jurisdiction != from.Jurisdiction {
		return true, err
	}
	_, err = postgres.Organization(ctx, tx, home.Name, org)
	return false, err
}

// askForKeys asks an organization's home across the border for its digest keys, when none have come yet: the person will
// want a card. Asking twice is harmless.
func (r *Registrar) askForKeys(ctx context.Context, tx pgx.Tx, commit *outbox.Commit, org region.ID, follower region.Region) error {
	version, err := postgres.ReceivedOrganization(ctx, tx, follower.Name, org)
	if err != nil || version > 0 {
		return err
	}
	home, err := r.regions.Home(org)
	if err != nil {
		return err
	}
	commit.Call(home.Name, identityv1connect.IdentityServiceFollowOrganizationProcedure,
		&identityv1.FollowOrganizationRequest{OrgId: string(org), FollowerRegion: string(follower.Name)})
	return nil
}

// ReadPerson opens a person's fields, and records who read them. An erased person has none, and nothing was read.
func (r *Registrar) ReadPerson(ctx context.Context, tx pgx.Tx, org, id region.ID) (registry.Person, error) {
	home, err := r.regions.Home(id)
	if err != nil {
		return registry.Person{}, err
	}
	row, err := postgres.Person(ctx, tx, home.Name, org, id)
	if err != nil || row.Status == registry.Erased {
		return row.Person, err
	}
	key, err := r.vault.OpenPersonKey(id, row.Key)
	if err != nil {
		return registry.Person{}, err
	}
	if row.Person.Fields, err = openFields(key, id, row.Sealed); err != nil {
		return registry.Person{}, err
	}
	commit, err := r.begin(ctx, tx, home.Name, org)
	if err != nil {
		return registry.Person{}, err
	}
	commit.Event(outbox.Event{Stream: id, Kind: "person_read", Payload: &identityv1.PersonRead{PersonId: string(id)}})
	_, err = commit.Flush(ctx)
	return row.Person, err
}

// ErasePerson destroys a person's key and revokes what they carry.
func (r *Registrar) ErasePerson(ctx context.Context, tx pgx.Tx, org, id region.ID) (*Token, error) {
	home, err := r.regions.Home(id)
	if err != nil {
		return nil, err
	}
	row, err := postgres.Person(ctx, tx, home.Name, org, id)
	if err != nil {
		return nil, err
	}
	if row.Status == registry.Erased {
		return token(home.Name, org, row.ErasedVersion), nil
	}
	carried, err := postgres.ActiveCredentials(ctx, tx, home.Name, id)
	if err != nil {
		return nil, err
	}
	commit, err := r.begin(ctx, tx, home.Name, org)
	if err != nil {
		return nil, err
	}
	for _, c := range carried {
		if err := r.revoke(ctx, tx, commit, home, c.Credential); err != nil {
			return nil, err
		}
	}
	if err := postgres.ErasePerson(ctx, tx, home.Name, id, commit.RecordedAt, commit.Version); err != nil {
		return nil, err
	}
	commit.Event(outbox.Event{Stream: id, Kind: "person_erased", Payload: &identityv1.PersonErased{PersonId: string(id)}})
	return commit.Flush(ctx)
}

// seal and open: what a person's key seals is a serialized message, the same bytes in the row and in the event.

func sealFields(key vault.PersonKey, id region.ID, fields registry.Fields) ([]byte, error) {
	plain, err := marshal(&identityv1.PersonalFields{Name: fields.Name, Email: fields.Email})
	if err != nil {
		return nil, err
	}
	return key.Seal(vault.PersonalFields, id, plain), nil
}

func openFields(key vault.PersonKey, id region.ID, sealed []byte) (registry.Fields, error) {
	plain, err := key.Open(vault.PersonalFields, id, sealed)
	if err != nil {
		return registry.Fields{}, err
	}
	var fields identityv1.PersonalFields
	if err := unmarshal(plain, &fields); err != nil {
		return registry.Fields{}, err
	}
	return registry.Fields{Name: fields.GetName(), Email: fields.GetEmail()}, nil
}
