// Package keyring seals small values with keys that rotate.
//
// A Ring holds the keys of one purpose, oldest first. New values are sealed with the newest key; the id of the key travels
// beside the value, so that older keys go on opening what they sealed. Sealing is AES-256-GCM with a random nonce; MAC is
// HMAC-SHA-256 under a subkey of its own, so that one configured key serves both without either weakening the other.
//
// A Ring never changes and is safe for concurrent use.
package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

var (
	// ErrUnknownKey is returned for a key id that the ring does not hold: the key was removed too early, or the value is of another ring.
	ErrUnknownKey = errors.New("keyring: unknown key id")
	// ErrNotOpened is returned for a value that its key does not open: it was changed, cut short, or sealed for another use.
	ErrNotOpened = errors.New("keyring: sealed value does not open")
)

// Key is one secret with its name. Ids are never reused within a ring.
type Key struct {
	ID     string
	Secret [32]byte
}

// String hides the secret from logs and error texts.
func (k Key) String() string { return "key " + k.ID }

// GoString hides the secret from %#v.
func (k Key) GoString() string { return k.String() }

// Ring seals with its newest key and opens with any.
type Ring struct {
	newest string
	keys   map[string]key
}

type key struct {
	aead cipher.AEAD
	mac  []byte
}

// New makes a ring of keys, the newest last. There must be at least one, with ids that are unique and not empty.
func New(keys []Key) (*Ring, error) {
	if len(keys) == 0 {
		return nil, errors.New("keyring: at least one key is needed")
	}
	r := &Ring{keys: make(map[string]key, len(keys))}
	for _, k := range keys {
		if k.ID == "" {
			return nil, errors.New("keyring: a key has no id")
		}
		if k.Secret == [32]byte{} {
			return nil, fmt.Errorf("keyring: key %s is all zeroes", k.ID)
		}
		if _, twice := r.keys[k.ID]; twice {
			return nil, fmt.Errorf("keyring: key %s is there twice", k.ID)
		}
		made, err := derive(k.Secret)
		if err != nil {
			return nil, fmt.Errorf("keyring: key %s: %w", k.ID, err)
		}
		r.keys[k.ID], r.newest = made, k.ID
	}
	return r, nil
}

// Overhead is by how much a sealed value is longer than what it seals, in bytes: AES-GCM's nonce and tag.
const Overhead = 12 + 16

// Seal encrypts plaintext with the newest key. aad says what the value is for (e.g. its row's id); Open needs the same.
func (r *Ring) Seal(plaintext, aad []byte) (sealed []byte, keyID string) {
	return r.AppendSeal(make([]byte, 0, len(plaintext)+Overhead), plaintext, aad), r.newest
}

// AppendSeal is Seal behind what is in b already; the key is Newest.
func (r *Ring) AppendSeal(b, plaintext, aad []byte) []byte {
	aead := r.keys[r.newest].aead
	start, end := len(b), len(b)+aead.NonceSize()
	b = slices.Grow(b, len(plaintext)+Overhead)[:end]
	rand.Read(b[start:end]) // never fails: crypto/rand ends the program when the system has no randomness
	return aead.Seal(b, b[start:end], plaintext, aad)
}

// Newest is the id of the key that seals.
func (r *Ring) Newest() string { return r.newest }

// Open decrypts what Seal returned.
func (r *Ring) Open(keyID string, sealed, aad []byte) ([]byte, error) {
	k, ok := r.keys[keyID]
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrUnknownKey, keyID)
	}
	n := k.aead.NonceSize()
	if len(sealed) < n {
		return nil, ErrNotOpened
	}
	plaintext, err := k.aead.Open(nil, sealed[:n], sealed[n:], aad)
	if err != nil {
		return nil, ErrNotOpened
	}
	return plaintext, nil
}

// MAC authenticates parts with the newest key. Parts are length-prefixed: ("a","bc") and ("ab","c") differ.
func (r *Ring) MAC(parts ...[]byte) (mac [32]byte, keyID string) {
	return r.keys[r.newest].sum(parts), r.newest
}

// MACWith is MAC with a named key, to compare with what was stored before a rotation.
func (r *Ring) MACWith(keyID string, parts ...[]byte) (mac [32]byte, err error) {
	k, ok := r.keys[keyID]
	if !ok {
		return mac, fmt.Errorf("%w: %q", ErrUnknownKey, keyID)
	}
	return k.sum(parts), nil
}

func derive(secret [32]byte) (key, error) {
	enc, err := hkdf.Key(sha256.New, secret[:], nil, "cardea keyring seal v1", 32)
	if err != nil {
		return key{}, err
	}
	mac, err := hkdf.Key(sha256.New, secret[:], nil, "cardea keyring mac v1", 32)
	if err != nil {
		return key{}, err
	}
	block, err := aes.NewCipher(enc)
	if err != nil {
		return key{}, err
	}
	aead, err := cipher.NewGCM(block)
	return key{aead: aead, mac: mac}, err
}

func (k key) sum(parts [][]byte) (out [32]byte) {
	h := hmac.New(sha256.New, k.mac)
	for _, p := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write(p)
	}
	h.Sum(out[:0])
	return out
}
