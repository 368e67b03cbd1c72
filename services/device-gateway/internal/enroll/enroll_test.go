package enroll

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/pki"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

func regions(t testing.TB) *region.Map {
	t.Helper()
	m, err := region.NewMap(map[region.Name]region.Spec{"eu-central": {Code: "euc", Jurisdiction: "eu"}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func authority(t *testing.T) *Authority {
	t.Helper()
	root, err := pki.NewRoot("device root", time.Now().Add(10000*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return NewAuthority(root)
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func request(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "anything"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestADeviceCertificateNamesItsDeviceAndIsNoServer(t *testing.T) {
	a, m := authority(t), regions(t)
	r, err := ParseRequest(request(t, newKey(t)))
	if err != nil {
		t.Fatal(err)
	}
	device, org := region.NewID(region.Device, "euc"), region.NewID(region.Organization, "euc")
	der, err := a.SignDevice(r, device, org, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	id, err := IdentityOf(cert, m)
	if err != nil || id.Device != device || id.Org != org || string(id.KeyHash) != string(r.KeyHash()) {
		t.Fatalf("%+v, %v", id, err)
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: a.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Fatal(err)
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: a.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err == nil {
		t.Fatal("a device could pose as a gateway")
	}
}

func TestBadRequestsAreRefused(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	forged := request(t, newKey(t))
	forged[len(forged)-1] ^= 1
	sha512, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{SignatureAlgorithm: x509.ECDSAWithSHA512}, newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, der := range map[string][]byte{
		"SHA-512": sha512, "empty": nil, "garbage": []byte("hello"), "P-384": request(t, p384), "ed25519": request(t, ed), "forged": forged,
	} {
		if _, err := ParseRequest(der); !errors.Is(err, ErrBadRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAServerCertificateRenewsItself(t *testing.T) {
	now := time.Now()
	s, err := NewServerCertificate(authority(t), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	first, _ := s.Get()
	now = now.Add(50 * 24 * time.Hour)
	if same, _ := s.Get(); same != first {
		t.Fatal("made again too early")
	}
	now = now.Add(15 * 24 * time.Hour)
	if next, err := s.Get(); err != nil || next == first {
		t.Fatalf("not made again: %v", err)
	}
}

func TestASecretIsNotShown(t *testing.T) {
	s := NewSecret("euc")
	if s.Home() != "euc" {
		t.Fatalf("home is %q", s.Home())
	}
	if shown := fmt.Sprintf("%v %+v %#v %s", s, s, s, s); strings.Contains(shown, string(s)) {
		t.Fatal(shown)
	}
}
