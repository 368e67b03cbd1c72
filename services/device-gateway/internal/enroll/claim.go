package enroll

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// ErrClaimRefused: the claim code is unknown, was used, or has ended; which of them is not told.
var ErrClaimRefused = errors.New("the claim code is not valid")

// Secret is the secret part of a claim code: `<region code>-<43 characters>`. The code tells where the device's row is,
// so that any gateway of the jurisdiction finds it; a lock sends it as it is.
type Secret string

// NewSecret makes a secret with 256 random bits for a device whose home is code.
func NewSecret(code region.Code) Secret {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return Secret(string(code) + "-" + base64.RawURLEncoding.EncodeToString(b[:]))
}

// Home is the region code in the secret; empty when it has none.
func (s Secret) Home() region.Code {
	code, _, ok := strings.Cut(string(s), "-")
	if !ok {
		return ""
	}
	return region.Code(code)
}

// Hash is what is stored. The secret has 256 random bits, so a plain hash keeps it.
func (s Secret) Hash() []byte {
	h := sha256.Sum256([]byte("claim/v1 " + string(s)))
	return h[:]
}

// String hides the secret from logs and error texts.
func (s Secret) String() string { return "REDACTED" }

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return "REDACTED" }

// Code is the claim code that an installer gets: secret and root fingerprint.
func (s Secret) Code(fingerprint string) string { return string(s) + "." + fingerprint }
