package registry_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestAKeyAdmitsItsSecretWhileItLives(t *testing.T) {
	t.Parallel()
	secret := registry.NewSecret([32]byte{1, 2, 3})
	right, wrong := secret.SHA256(), registry.NewSecret([32]byte{9}).SHA256()
	good := registry.APIKey{ID: region.NewID(region.APIKey, "euc"), SecretSHA256: right}
	for name, c := range map[string]struct {
		change func(*registry.APIKey)
		secret [32]byte
		want   bool
	}{
		"good":                  {func(*registry.APIKey) {}, right, true},
		"wrong secret":          {func(*registry.APIKey) {}, wrong, false},
		"unknown":               {func(k *registry.APIKey) { *k = registry.APIKey{} }, [32]byte{}, false},
		"revoked":               {func(k *registry.APIKey) { k.RevokedAt = noon.Add(-time.Hour) }, right, false},
		"expires later":         {func(k *registry.APIKey) { k.ExpiresAt = noon.Add(time.Nanosecond) }, right, true},
		"expires now":           {func(k *registry.APIKey) { k.ExpiresAt = noon }, right, false},
		"expired, wrong secret": {func(k *registry.APIKey) { k.ExpiresAt = noon.Add(-time.Hour) }, wrong, false},
	} {
		key := good
		c.change(&key)
		if got := key.Admits(c.secret, noon); got != c.want {
			t.Errorf("%s: admitted %v", name, got)
		}
	}
}

func TestAKeyIsSpelledAsCallersPresentIt(t *testing.T) {
	t.Parallel()
	id := region.NewID(region.APIKey, "euc")
	secret := registry.NewSecret([32]byte{0xff})
	if got, want := secret.Bearer(id), "cardea_"+string(id)+"__wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if secret.SHA256() != sha256.Sum256([]byte("_wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")) {
		t.Error("the hash is of the secret as it is spelled")
	}
}

func TestSecretsAndPersonalFieldsDoNotPrint(t *testing.T) {
	t.Parallel()
	for _, v := range []any{
		registry.NewSecret([32]byte{0xff}),
		registry.Fields{Name: "Ada Lovelace", Email: "ada@example.com"},
		registry.CardNumber{Format: "uid", BitLength: 32, Bits: []byte("1234")},
		registry.DigestKey{ID: "digestkey_euc_1", Key: [32]byte([]byte("abcdefghijklmnopqrstuvwxyz012345"))},
		registry.Person{ID: "person_euc_1", Fields: registry.Fields{Name: "Ada Lovelace"}},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			out := fmt.Sprintf(verb, v)
			for _, bad := range []string{"_wAA", "Ada", "example", "1234", "49, 50", "49 50", "0x31", "abcdef", "97 98"} {
				if strings.Contains(out, bad) {
					t.Errorf("%s of %T shows %q", verb, v, bad)
				}
			}
		}
	}
}

func TestAKeyThatWouldNeverWorkIsRefused(t *testing.T) {
	t.Parallel()
	if err := registry.CheckExpiry(noon, noon); !errors.Is(err, registry.ErrExpiresInPast) {
		t.Errorf("expires now: %v", err)
	}
	for _, at := range []time.Time{{}, noon.Add(time.Second)} {
		if err := registry.CheckExpiry(at, noon); err != nil {
			t.Errorf("%v: %v", at, err)
		}
	}
}
