package bundle_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundle"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/enroll"
	"github.com/cardea-mesh/cardea/services/platform/pki"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

const device = "device_euc_1"

func authority(t *testing.T) *enroll.Authority {
	t.Helper()
	root, err := pki.NewRoot("devices", time.Now().Add(24*time.Hour*3650))
	if err != nil {
		t.Fatal(err)
	}
	return enroll.NewAuthority(root)
}

func header(version uint64) bundle.Header {
	at := time.Now().Truncate(time.Minute)
	return bundle.Header{DeviceID: device, Version: version, IssuedAt: at, NotAfter: at.Add(time.Hour)}
}

func TestABundleIsVerified(t *testing.T) {
	a := authority(t)
	s, err := a.BundleSigner(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	content := bundle.Full(header(7), bundle.NewContent([]byte("door"), [][]byte{[]byte("b"), []byte("a"), []byte("b")}))
	signed, err := s.Bundle(content)
	if err != nil {
		t.Fatal(err)
	}
	got, err := bundle.Verify(a.Pool(), signed, device, time.Now())
	if err != nil || !proto.Equal(got, content) || len(got.GetEntries()) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	gone, err := s.Revocations(bundle.Revocations(device, 8, [][16]byte{{1}}, false))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.VerifyRevocations(a.Pool(), gone, device, time.Now()); err != nil {
		t.Fatal(err)
	}
	stolen := &lockwirev1.Bundle{Version: gone.GetVersion(), Signed: gone.GetSigned(), Signature: gone.GetSignature(), SignerChain: gone.GetSignerChain()}
	for what, err := range map[string]error{
		"another device":           second(bundle.Verify(a.Pool(), signed, "device_euc_2", time.Now())),
		"another root":             second(bundle.Verify(authority(t).Pool(), signed, device, time.Now())),
		"after the signer's end":   second(bundle.Verify(a.Pool(), signed, device, time.Now().Add(91*24*time.Hour))),
		"revocations as a bundle":  second(bundle.Verify(a.Pool(), stolen, device, time.Now())),
		"a bundle of no signature": second(bundle.Verify(a.Pool(), &lockwirev1.Bundle{Version: 7, Signed: signed.GetSigned()}, device, time.Now())),
	} {
		if !errors.Is(err, bundle.ErrSignature) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestAGatewaysCertificateSignsNoBundle: the root vouches for it, but it has another name.
func TestAGatewaysCertificateSignsNoBundle(t *testing.T) {
	a := authority(t)
	server, err := enroll.NewServerCertificate(a, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	s, err := a.BundleSigner(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.Bundle(bundle.Full(header(1), bundle.NewContent(nil, nil)))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := server.Get()
	if err != nil {
		t.Fatal(err)
	}
	signed.SignerChain = cert.Certificate[:1]
	if _, err := bundle.Verify(a.Pool(), signed, device, time.Now()); !errors.Is(err, bundle.ErrSignature) {
		t.Fatal(err)
	}
}

// TestAFlippedBitIsRefused flips bits everywhere in a signed bundle.
func TestAFlippedBitIsRefused(t *testing.T) {
	a := authority(t)
	s, err := a.BundleSigner(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.Bundle(bundle.Full(header(7), bundle.NewContent([]byte("door"), [][]byte{[]byte("an entry"), []byte("another")})))
	if err != nil {
		t.Fatal(err)
	}
	for part := range 4 {
		field := func(m *lockwirev1.Bundle) []byte {
			return [][]byte{m.Signed, m.Signature, m.SignerChain[0], {byte(m.Version)}}[part]
		}
		for bit := range 8 * len(field(signed)) {
			bad := proto.CloneOf(signed)
			if part == 3 {
				bad.Version ^= 1 << bit
			} else {
				field(bad)[bit/8] ^= 1 << (bit % 8)
			}
			if _, err := bundle.Verify(a.Pool(), bad, device, time.Now()); !errors.Is(err, bundle.ErrSignature) {
				t.Fatalf("part %d, bit %d: %v", part, bit, err)
			}
		}
	}
}

func TestASignerIsRenewedInTime(t *testing.T) {
	a := authority(t)
	now := time.Now()
	s, err := a.BundleSigner(func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	chain := func() []byte {
		signed, err := s.Bundle(bundle.Full(header(1), bundle.NewContent(nil, nil)))
		if err != nil {
			t.Fatal(err)
		}
		return signed.GetSignerChain()[0]
	}
	first := chain()
	now = now.Add(59 * 24 * time.Hour)
	if !bytes.Equal(first, chain()) {
		t.Error("renewed too early")
	}
	now = now.Add(2 * 24 * time.Hour)
	if bytes.Equal(first, chain()) {
		t.Error("not renewed with a third of its life left")
	}
}

func TestTooLargeIsNotSigned(t *testing.T) {
	s, err := authority(t).BundleSigner(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Bundle(bundle.Full(header(1), bundle.NewContent(make([]byte, bundle.MaxSigned), nil))); !errors.Is(err, bundle.ErrTooLarge) {
		t.Error(err)
	}
	if _, err := s.Revocations(bundle.Revocations(device, 1, make([][16]byte, bundle.MaxRemoved+1), false)); !errors.Is(err, bundle.ErrTooLarge) {
		t.Error(err)
	}
}

// TestADifferenceLeadsToTheNewContent: of any two contents, in any order of the entries.
func TestADifferenceLeadsToTheNewContent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) [][]byte {
			all := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 1), 0, 20).Draw(t, label)
			return all
		}
		old, entries := bundle.NewContent(nil, draw("old")), draw("new")
		next := bundle.NewContent([]byte("door"), entries)
		rand.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		if again := bundle.NewContent([]byte("door"), entries); again.Hash != next.Hash {
			t.Fatal("the order counts")
		}
		added, removed := bundle.Difference(old.EntryHashes(), next)
		held := map[[16]byte]bool{}
		for _, h := range old.EntryHashes() {
			held[h] = true
		}
		for _, h := range removed {
			if !held[h] {
				t.Fatal("takes out what is not there")
			}
			delete(held, h)
		}
		for _, e := range added {
			if held[bundle.EntryHash(e)] {
				t.Fatal("adds what is there")
			}
			held[bundle.EntryHash(e)] = true
		}
		var hashes [][16]byte
		for h := range held {
			hashes = append(hashes, h)
		}
		if bundle.Hash(next.Door, bundle.SortHashes(hashes)) != next.Hash {
			t.Fatal("another content")
		}
	})
}

func second[T any](_ T, err error) error { return err }
