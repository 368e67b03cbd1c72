package enroll

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/pki"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// FuzzRequest: whatever a peer sends as a certificate request is refused, or is a P-256 key that signed it and gets a certificate for
// that key and the device that the gateway chose, whatever else the request says.
func FuzzRequest(f *testing.F) {
	root, err := pki.NewRoot("device root", time.Now().Add(10000*time.Hour))
	if err != nil {
		f.Fatal(err)
	}
	authority := NewAuthority(root)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		f.Fatal(err)
	}
	for _, key := range []any{newKey(f), p384, weak} {
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{ServerName}}, key)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der)
		f.Add(der[:len(der)/2])
	}
	f.Add([]byte{})
	device, org := region.NewID(region.Device, "euc"), region.NewID(region.Organization, "euc")
	f.Fuzz(func(t *testing.T, der []byte) {
		request, err := ParseRequest(der)
		if err != nil {
			if !errors.Is(err, ErrBadRequest) {
				t.Fatalf("another error: %v", err)
			}
			return
		}
		signed, err := authority.Sign(request, device, org, time.Hour)
		if err != nil {
			t.Fatalf("a request that was taken cannot be signed: %v", err)
		}
		cert, err := x509.ParseCertificate(signed.DER)
		if err != nil {
			t.Fatal(err)
		}
		public, ok := cert.PublicKey.(*ecdsa.PublicKey)
		if !ok || public.Curve != elliptic.P256() {
			t.Fatalf("a certificate for a %T", cert.PublicKey)
		}
		id, err := IdentityOf(cert, regions(t))
		if err != nil || id.Device != device || id.Org != org || string(id.KeyHash) != string(request.KeyHash()) {
			t.Fatalf("%+v, %v", id, err)
		}
		if len(cert.DNSNames) > 0 || cert.IsCA || len(cert.ExtKeyUsage) != 1 || cert.ExtKeyUsage[0] != x509.ExtKeyUsageClientAuth {
			t.Fatal("the request chose what the certificate is for")
		}
	})
}
