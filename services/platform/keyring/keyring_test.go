package keyring_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"pgregory.net/rapid"
)

func ring(t interface{ Fatal(...any) }, ids ...string) *keyring.Ring {
	var keys []keyring.Key
	for _, id := range ids {
		k := keyring.Key{ID: id}
		copy(k.Secret[:], "secret of "+id)
		keys = append(keys, k)
	}
	r, err := keyring.New(keys)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWhatIsSealedOpensAndNothingElseDoes(t *testing.T) {
	r := ring(t, "2025", "2026")
	rapid.Check(t, func(t *rapid.T) {
		plain, aad := rapid.SliceOf(rapid.Byte()).Draw(t, "plain"), rapid.SliceOf(rapid.Byte()).Draw(t, "aad")
		sealed, id := r.Seal(plain, aad)
		if id != "2026" {
			t.Fatalf("sealed with %s, want the newest key", id)
		}
		got, err := r.Open(id, sealed, aad)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("Open = %x, %v; want %x", got, err, plain)
		}
		at := rapid.IntRange(0, len(sealed)-1).Draw(t, "at")
		sealed[at] ^= 1
		if _, err := r.Open(id, sealed, aad); !errors.Is(err, keyring.ErrNotOpened) {
			t.Fatalf("a changed value opened: %v", err)
		}
		sealed[at] ^= 1
		if _, err := r.Open(id, sealed, append(aad, 0)); !errors.Is(err, keyring.ErrNotOpened) {
			t.Fatalf("opened for another use: %v", err)
		}
		if _, err := r.Open(id, sealed[:at], aad); !errors.Is(err, keyring.ErrNotOpened) {
			t.Fatalf("a cut value opened: %v", err)
		}
	})
}

func TestOlderKeysOpenAfterRotation(t *testing.T) {
	sealed, id := ring(t, "2025").Seal([]byte("name"), nil)
	mac, _ := ring(t, "2025").MAC([]byte("request"))
	rotated := ring(t, "2025", "2026")
	if got, err := rotated.Open(id, sealed, nil); err != nil || string(got) != "name" {
		t.Fatalf("Open = %q, %v", got, err)
	}
	if again, err := rotated.MACWith("2025", []byte("request")); err != nil || again != mac {
		t.Fatalf("MACWith = %x, %v; want %x", again, err, mac)
	}
	if _, err := ring(t, "2026").Open(id, sealed, nil); !errors.Is(err, keyring.ErrUnknownKey) {
		t.Fatalf("got %v, want ErrUnknownKey", err)
	}
}

func TestMACSeparatesItsParts(t *testing.T) {
	r := ring(t, "k")
	a, _ := r.MAC([]byte("a"), []byte("bc"))
	b, _ := r.MAC([]byte("ab"), []byte("c"))
	if a == b {
		t.Fatal("two different lists of parts have one MAC")
	}
}

func TestBadKeysAreRefused(t *testing.T) {
	good := keyring.Key{ID: "a", Secret: [32]byte{1}}
	for name, keys := range map[string][]keyring.Key{
		"none": nil, "no id": {{Secret: [32]byte{1}}}, "zeroes": {{ID: "a"}}, "twice": {good, good},
	} {
		if _, err := keyring.New(keys); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestKeysDoNotPrintTheirSecret(t *testing.T) {
	k := keyring.Key{ID: "a", Secret: [32]byte{'s', 'e', 'c'}}
	for _, s := range []string{fmt.Sprint(k), fmt.Sprintf("%#v", k), fmt.Sprintf("%+v", k)} {
		if s != "key a" {
			t.Errorf("printed %q", s)
		}
	}
}

func TestASealedValueBehindAPrefix(t *testing.T) {
	r := ring(t, "2025", "2026")
	sealed := r.AppendSeal([]byte("prefix"), []byte("plain"), []byte("aad"))
	if len(sealed) != len("prefix")+len("plain")+keyring.Overhead || string(sealed[:6]) != "prefix" {
		t.Fatalf("%q", sealed)
	}
	if got, err := r.Open(r.Newest(), sealed[6:], []byte("aad")); err != nil || string(got) != "plain" {
		t.Fatalf("%q, %v", got, err)
	}
}
