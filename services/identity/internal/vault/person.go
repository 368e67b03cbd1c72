package vault

import (
	"fmt"

	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Use says what a value is that a person's key seals. It is part of the associated data, with the id of what the value
// belongs to: a sealed value that is moved elsewhere does not open.
type Use string

// The uses.
const (
	PersonalFields Use = "personal_fields/v1" // a serialized PersonalFields; id: the person
	CardNumber     Use = "card_number/v1"     // a serialized CardNumber; id: the credential
	Digits         Use = "digits/v1"          // a PIN's or entry code's, in ASCII; id: the credential
)

// PersonKey is a person's own key. Destroying its wrapped form is what erases a person.
type PersonKey struct {
	ring   *keyring.Ring
	person region.ID
}

// NewPersonKey makes a person's key, and wraps it.
func (v *Vault) NewPersonKey(person region.ID) (PersonKey, registry.Wrapped, error) {
	secret := random()
	sealed, id := v.person.Seal(secret[:], []byte(person))
	key, err := personKey(person, secret)
	return key, registry.Wrapped{Sealed: sealed, KeyID: id}, err
}

// OpenPersonKey opens a person's key; registry.ErrErased when there is none any more.
func (v *Vault) OpenPersonKey(person region.ID, wrapped registry.Wrapped) (PersonKey, error) {
	if len(wrapped.Sealed) == 0 {
		return PersonKey{}, registry.ErrErased
	}
	secret, err := v.person.Open(wrapped.KeyID, wrapped.Sealed, []byte(person))
	if err != nil {
		return PersonKey{}, fmt.Errorf("open the key of %s: %w", person, err)
	}
	return personKey(person, [32]byte(secret))
}

func personKey(person region.ID, secret [32]byte) (PersonKey, error) {
	ring, err := keyring.New([]keyring.Key{{ID: string(person), Secret: secret}})
	if err != nil {
		return PersonKey{}, fmt.Errorf("key of %s: %w", person, err)
	}
	return PersonKey{ring: ring, person: person}, nil
}

// Seal seals a value. Events name the key by the person's id.
func (k PersonKey) Seal(use Use, id region.ID, plain []byte) []byte {
	sealed, _ := k.ring.Seal(plain, sealContext(use, id))
	return sealed
}

// Open opens what Seal sealed for the same use and id.
func (k PersonKey) Open(use Use, id region.ID, sealed []byte) ([]byte, error) {
	plain, err := k.ring.Open(string(k.person), sealed, sealContext(use, id))
	if err != nil {
		return nil, fmt.Errorf("open %s of %s: %w", use, id, err)
	}
	return plain, nil
}

func sealContext(use Use, id region.ID) []byte { return []byte(string(use) + "/" + string(id)) }
