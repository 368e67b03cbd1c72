package rpc

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// FormatAPIKey is how a caller presents a key: `cardea_<key id>_<secret>`.
func FormatAPIKey(id region.ID, secret string) string { return "cardea_" + string(id) + "_" + secret }

var errCredentialForm = errors.New("not of a known form")

// ParseAPIKey takes a presented key apart: its id, unchecked, and the SHA-256 of the secret as it is spelled. The secret is
// base64url without padding of 32 bytes.
func ParseAPIKey(text string) (id string, secretSHA256 [32]byte, err error) {
	// A secret may have underscores, an id has exactly two.
	rest, ok := strings.CutPrefix(text, "cardea_")
	end := 0
	for range 3 {
		next := strings.IndexByte(rest[end:], '_')
		if !ok || next < 0 {
			return "", [32]byte{}, errCredentialForm
		}
		end += next + 1
	}
	id, secret := rest[:end-1], rest[end:]
	if len(secret) != secretSize {
		return "", [32]byte{}, errCredentialForm
	}
	var spelled [secretSize]byte // not on the heap: every call parses a key
	var raw [32]byte
	copy(spelled[:], secret)
	if n, err := base64.RawURLEncoding.Decode(raw[:], spelled[:]); err != nil || n != len(raw) {
		return "", [32]byte{}, errCredentialForm
	}
	return id, sha256.Sum256(spelled[:]), nil
}

// secretSize is how many characters 32 bytes have in base64url without padding.
const secretSize = 43

// Operator may create and read organizations, and nothing else. Presented as `operator_<name>_<secret>`.
type Operator struct {
	// Name has no underscore.
	Name string `yaml:"name"`
	// KeySHA256 is the SHA-256 of the secret as it is spelled, in hex.
	KeySHA256 string `yaml:"key_sha256"`
}

// Validate checks the form.
func (o Operator) Validate() error {
	if raw, err := hex.DecodeString(o.KeySHA256); err != nil || len(raw) != sha256.Size {
		return fmt.Errorf("operator %q: key_sha256 must be 64 hex digits", o.Name)
	}
	if o.Name == "" || strings.Contains(o.Name, "_") {
		return fmt.Errorf("operator %q: a name is not empty and has no underscore", o.Name)
	}
	return nil
}

// findOperator compares with every operator in constant time.
func findOperator(operators []Operator, text string) (Caller, bool) {
	name, secret, ok := strings.Cut(strings.TrimPrefix(text, "operator_"), "_")
	if !ok {
		return Caller{}, false
	}
	sum := sha256.Sum256([]byte(secret))
	found := false
	for _, operator := range operators {
		want, err := hex.DecodeString(operator.KeySHA256)
		match := err == nil && len(want) == sha256.Size && subtle.ConstantTimeCompare(sum[:], want) == 1
		found = found || match && operator.Name == name
	}
	if !found {
		return Caller{}, false
	}
	return Caller{
		Kind: OperatorCaller, ID: "operator:" + name,
		Permissions: map[string]bool{"organizations.create": true, "organizations.read": true},
	}, true
}
