package vault_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/identity/internal/vault"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

func ring(t *testing.T, ids ...string) *keyring.Ring {
	t.Helper()
	var keys []keyring.Key
	for _, id := range ids {
		key := keyring.Key{ID: id}
		copy(key.Secret[:], id+" of the test")
		keys = append(keys, key)
	}
	r, err := keyring.New(keys)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var ada, grace = region.NewID(region.Person, "euc"), region.NewID(region.Person, "euc")

func TestWhatAPersonsKeySealsOpensForThatPersonUseAndIDOnly(t *testing.T) {
	t.Parallel()
	v := vault.New(ring(t, "p1"), ring(t, "s1"))
	key, wrapped, err := v.NewPersonKey(ada)
	if err != nil {
		t.Fatal(err)
	}
	sealed := key.Seal(vault.PersonalFields, ada, []byte("Ada"))
	again, err := v.OpenPersonKey(ada, wrapped)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := again.Open(vault.PersonalFields, ada, sealed); err != nil || string(plain) != "Ada" {
		t.Errorf("%q, %v", plain, err)
	}
	if _, err := again.Open(vault.CardNumber, ada, sealed); err == nil {
		t.Error("opened for another use")
	}
	if _, err := again.Open(vault.PersonalFields, grace, sealed); err == nil {
		t.Error("opened for another id")
	}
	if _, err := v.OpenPersonKey(grace, wrapped); err == nil {
		t.Error("the wrapped key opened for another person")
	}
	other, _, _ := v.NewPersonKey(ada)
	if _, err := other.Open(vault.PersonalFields, ada, sealed); err == nil {
		t.Error("opened with another key")
	}
	if _, err := v.OpenPersonKey(ada, registry.Wrapped{}); !errors.Is(err, registry.ErrErased) {
		t.Errorf("a destroyed key: %v", err)
	}
}

func TestOldKeysOpenAfterTheRingsRotated(t *testing.T) {
	t.Parallel()
	before, after := vault.New(ring(t, "p1"), ring(t, "s1")), vault.New(ring(t, "p1", "p2"), ring(t, "s1", "s2"))
	_, person, err := before.NewPersonKey(ada)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := after.OpenPersonKey(ada, person); err != nil {
		t.Error(err)
	}
	org := region.NewID(region.Organization, "euc")
	key, digest := before.NewDigestKey(org, region.NewID(region.DigestKey, "euc"))
	opened, err := after.OpenDigestKeys(org, []registry.WrappedDigestKey{digest})
	if err != nil || opened[0] != key {
		t.Errorf("digest key: %v", err)
	}
	if bytes.Contains(digest.Sealed, key.Key[:8]) {
		t.Error("the digest key is not wrapped")
	}
	if _, err := after.OpenDigestKeys(region.NewID(region.Organization, "euc"), []registry.WrappedDigestKey{digest}); err == nil {
		t.Error("a digest key opened for another organization")
	}
	directory := before.NewDirectoryKey("slug/v1")
	one, err1 := before.DirectoryHash("slug/v1", directory, "acme")
	two, err2 := after.DirectoryHash("slug/v1", directory, "acme")
	if err1 != nil || err2 != nil || one != two {
		t.Errorf("the directory forgot: %v, %v", err1, err2)
	}
	if _, err := after.DirectoryHash("mail/v1", directory, "acme"); err == nil {
		t.Error("a directory's key opened for another directory")
	}
}
