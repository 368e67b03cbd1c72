// Package vault makes, wraps and opens the keys that identity keeps: one for each person, one or more for each
// organization's digests, one for each directory. At rest every one of them is wrapped with a key of the jurisdiction:
// the `person` ring wraps people's keys, the `state` ring, which gateways hold too, the others.
//
// A Vault never changes and is safe for concurrent use. Keys are in memory only inside a call.
package vault

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy/credential"
)

// Vault holds the jurisdiction's rings.
type Vault struct {
	person, state *keyring.Ring
}

// New makes a vault of the two rings.
func New(person, state *keyring.Ring) *Vault { return &Vault{person: person, state: state} }

// NewDigestKey makes a digest key for an organization, and wraps it.
func (v *Vault) NewDigestKey(org, id region.ID) (registry.DigestKey, registry.WrappedDigestKey) {
	key := registry.DigestKey{ID: id, Key: random()}
	return key, v.WrapDigestKey(org, key)
}

// WrapDigestKey wraps a digest key for this jurisdiction; a gateway opens it with the same ring and the same context.
func (v *Vault) WrapDigestKey(org region.ID, key registry.DigestKey) registry.WrappedDigestKey {
	sealed, ring := v.state.Seal(key.Key[:], credential.DigestKeyContext(string(org), string(key.ID)))
	return registry.WrappedDigestKey{ID: key.ID, Wrapped: registry.Wrapped{Sealed: sealed, KeyID: ring}}
}

// OpenDigestKeys opens an organization's digest keys.
func (v *Vault) OpenDigestKeys(org region.ID, wrapped []registry.WrappedDigestKey) ([]registry.DigestKey, error) {
	keys := make([]registry.DigestKey, len(wrapped))
	for i, w := range wrapped {
		plain, err := v.state.Open(w.KeyID, w.Sealed, credential.DigestKeyContext(string(org), string(w.ID)))
		if err != nil {
			return nil, fmt.Errorf("open digest key %s: %w", w.ID, err)
		}
		keys[i] = registry.DigestKey{ID: w.ID, Key: [32]byte(plain)}
	}
	return keys, nil
}

// NewDirectoryKey makes and wraps a key for a directory of the jurisdiction.
func (v *Vault) NewDirectoryKey(purpose string) registry.Wrapped {
	key := random()
	sealed, ring := v.state.Seal(key[:], directoryContext(purpose))
	return registry.Wrapped{Sealed: sealed, KeyID: ring}
}

// DirectoryHash is the keyed hash under which a directory knows a value.
func (v *Vault) DirectoryHash(purpose string, wrapped registry.Wrapped, value string) (hash [32]byte, err error) {
	key, err := v.state.Open(wrapped.KeyID, wrapped.Sealed, directoryContext(purpose))
	if err != nil {
		return hash, fmt.Errorf("open directory key: %w", err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(value))
	mac.Sum(hash[:0])
	return hash, nil
}

func directoryContext(purpose string) []byte { return []byte("directory/v1/" + purpose) }

func random() (key [32]byte) {
	rand.Read(key[:]) // never fails: crypto/rand ends the program when the system has no randomness
	return key
}
