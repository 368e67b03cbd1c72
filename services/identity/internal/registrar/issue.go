package registrar

import (
	"context"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/services/identity/internal/postgres"
	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/identity/internal/vault"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// maxDraws bounds how often digits are drawn that turn out to be in use. With a million entry codes in an organization, one
// drawn code in a hundred is.
const maxDraws = 16

// Issued is a new credential, and the digits that were drawn for it: they are shown once. Empty when they were given.
type Issued struct {
	registry.Credential
	Drawn registry.Digits
	Token *Token
}

// IssueCredential gives a person a card, a mobile key, a PIN or an entry code. Digits that are not given are drawn. Errors:
// credential.ErrMalformed, registry.ErrParts, ErrDigits, ErrErased, ErrNoDigestKeys, ErrCardTaken, ErrDigitsTaken.
func (r *Registrar) IssueCredential(ctx context.Context, tx pgx.Tx, org, person region.ID, what registry.Carried) (Issued, error) {
	if err := what.Check(); err != nil {
		return Issued{}, err
	}
	home, err := r.regions.Home(person)
	if err != nil {
		return Issued{}, err
	}
	issued := Issued{Credential: registry.Credential{
		ID: region.NewID(region.Credential, home.Code), Org: org, Person: person, Kind: what.Kind, Status: registry.Active,
	}}
	c := &issued.Credential
	commit, err := r.begin(ctx, tx, home.Name, org)
	if err != nil {
		return Issued{}, err
	}
	key, err := r.personKey(ctx, tx, home, *c)
	if err != nil {
		return Issued{}, err
	}
	drawn := what.Typed() && what.Digits == ""
	if what, c.Digests, err = r.claim(ctx, tx, home, *c, what); err != nil {
		return Issued{}, err
	}
	if drawn {
		issued.Drawn = what.Digits
	}
	sealed, err := sealCarried(key, c.ID, what)
	if err != nil {
		return Issued{}, err
	}
	c.IssuedAt = commit.RecordedAt
	if err := postgres.InsertCredential(ctx, tx, home.Name, *c, sealed); err != nil {
		return Issued{}, err
	}
	commit.Event(issuedEvent(*c, what, sealed))
	commit.Put(stateKey(*c), stateOf(*c))
	if err := r.tellFollowers(ctx, tx, commit, home, *c); err != nil {
		return Issued{}, err
	}
	issued.Token, err = commit.Flush(ctx)
	return issued, err
}

func (r *Registrar) personKey(ctx context.Context, tx pgx.Tx, home region.Region, c registry.Credential) (vault.PersonKey, error) {
	person, err := postgres.Person(ctx, tx, home.Name, c.Org, c.Person)
	if err != nil {
		return vault.PersonKey{}, err
	}
	return r.vault.OpenPersonKey(c.Person, person.Key)
}

// claim returns what is issued with its digests, when no other active credential has them. Digits that are to be drawn are drawn
// until that is so.
func (r *Registrar) claim(ctx context.Context, tx pgx.Tx, home region.Region, c registry.Credential, what registry.Carried) (registry.Carried, []registry.Digest, error) {
	keys, err := r.DigestKeys(ctx, tx, c.Org, home)
	if err != nil {
		return what, nil, err
	}
	draws := 1
	drawn := what.Typed() && what.Digits == ""
	if drawn {
		draws = maxDraws
	}
	for range draws {
		if drawn {
			what.Digits = r.draw(what.Kind)
		}
		taken, err := r.taken(ctx, tx, home, c.Org, what.Rivals(c.Person, keys))
		if err != nil {
			return what, nil, err
		}
		if !taken {
			return what, what.Digests(c.Person, keys), nil
		}
	}
	if what.Typed() {
		return what, nil, registry.ErrDigitsTaken
	}
	return what, nil, registry.ErrCardTaken
}

// taken says whether an active credential of the organization has one of the digests anywhere in the jurisdiction.
func (r *Registrar) taken(ctx context.Context, tx pgx.Tx, home region.Region, org region.ID, digests []registry.Digest) (bool, error) {
	for _, in := range r.regions.In(home.Jurisdiction) {
		for _, d := range digests {
			taken, err := postgres.DigestTaken(ctx, tx, in.Name, org, d)
			if taken || err != nil {
				return taken, err
			}
		}
	}
	return false, nil
}

// sealCarried seals what a credential opens with, so that it can be digested under another key some day.
func sealCarried(key vault.PersonKey, id region.ID, what registry.Carried) ([]byte, error) {
	if what.Typed() {
		return key.Seal(vault.Digits, id, []byte(what.Digits)), nil
	}
	plain, err := marshal(&identityv1.CardNumber{Format: what.Card.Format, BitLength: what.Card.BitLength, Bits: what.Card.Bits})
	if err != nil {
		return nil, err
	}
	return key.Seal(vault.CardNumber, id, plain), nil
}

// issuedEvent has a card's number sealed. Digits are in no event, not even sealed: an event is kept for ever, and a PIN is often the
// PIN of something else, too.
func issuedEvent(c registry.Credential, what registry.Carried, sealed []byte) outbox.Event {
	e := outbox.Event{
		Stream: c.ID, Kind: "credential_issued",
		Payload: &identityv1.CredentialIssued{CredentialId: string(c.ID), PersonId: string(c.Person), Kind: KindToProto(c.Kind)},
	}
	if !what.Typed() {
		e.Sealed, e.KeyID = sealed, string(c.Person)
	}
	return e
}
