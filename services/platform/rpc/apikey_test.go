package rpc_test

import (
	"crypto/sha256"
	"encoding/base64"
	"testing"

	"pgregory.net/rapid"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
)

func TestAFormattedKeyParses(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "secret") // many have underscores when spelled
		id, secret := region.NewID(region.APIKey, "euc"), base64.RawURLEncoding.EncodeToString(raw)
		got, sum, err := rpc.ParseAPIKey(rpc.FormatAPIKey(id, secret))
		if err != nil || got != string(id) || sum != sha256.Sum256([]byte(secret)) {
			t.Fatalf("%q, %v", got, err)
		}
	})
}

func TestAnythingElseIsNoKey(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`(cardea)?_?key_[a-z]{3}_[a-z0-9]{0,30}_[A-Za-z0-9_-]{0,42}`)).Draw(t, "text")
		if id, _, err := rpc.ParseAPIKey(text); err == nil {
			t.Fatalf("%q is key %q", text, id)
		}
	})
}
