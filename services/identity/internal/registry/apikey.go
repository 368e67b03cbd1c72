package registry

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// APIKey is a program's proof of who it is. Only the hash of its secret is kept: the secret has 256 random bits, so that a
// slow hash would add nothing.
type APIKey struct {
	ID           region.ID
	Org          region.ID
	SecretSHA256 [32]byte
	Role         Role
	ExpiresAt    time.Time // zero: never
	RevokedAt    time.Time // zero: not revoked
}

// Secret is the secret part of an API key as it is shown once: base64url, without padding, of 32 random bytes.
type Secret string

// NewSecret spells 32 random bytes.
func NewSecret(random [32]byte) Secret {
	return Secret(base64.RawURLEncoding.EncodeToString(random[:]))
}

// SHA256 is what is stored and compared: the hash of the secret as it is spelled.
func (s Secret) SHA256() [32]byte { return sha256.Sum256([]byte(s)) }

// String hides the secret.
func (Secret) String() string { return "REDACTED" }

// GoString hides the secret from %#v.
func (Secret) GoString() string { return "REDACTED" }

// Bearer is the whole key as a caller presents it: `cardea_<key id>_<secret>`.
func (s Secret) Bearer(id region.ID) string { return "cardea_" + string(id) + "_" + string(s) }

// Admits says whether a secret of this hash is the key's and the key works at a time. The zero APIKey, which stands for an
// unknown one, admits nothing, and takes as long to say so.
func (k APIKey) Admits(secretSHA256 [32]byte, at time.Time) bool {
	right := subtle.ConstantTimeCompare(k.SecretSHA256[:], secretSHA256[:]) == 1
	known := k.ID != ""
	alive := k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || at.Before(k.ExpiresAt))
	return right && known && alive
}

// CheckExpiry refuses a key that would be born dead (ErrExpiresInPast). Zero is never.
func CheckExpiry(expiresAt, now time.Time) error {
	if !expiresAt.IsZero() && !expiresAt.After(now) {
		return ErrExpiresInPast
	}
	return nil
}
