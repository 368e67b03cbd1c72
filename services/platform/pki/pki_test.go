package pki_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/pki"
)

func root(t *testing.T) *pki.Authority {
	t.Helper()
	a, err := pki.NewRoot("test root", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func leaf(t *testing.T, p pki.Pair) *x509.Certificate {
	t.Helper()
	cert, err := p.TLS()
	if err != nil {
		t.Fatal(err)
	}
	return cert.Leaf
}

func TestAServiceCertificateVerifiesAndNamesTheService(t *testing.T) {
	a := root(t)
	pair, err := a.IssueService("eu", "eu-central", "identity")
	if err != nil {
		t.Fatal(err)
	}
	cert := leaf(t, pair)
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		if _, err := cert.Verify(x509.VerifyOptions{Roots: a.Pool(), DNSName: "127.0.0.1", KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
			t.Error(err)
		}
	}
	name, err := pki.ServiceOf(cert)
	if err != nil || name != (pki.ServiceName{Jurisdiction: "eu", Region: "eu-central", Service: "identity"}) {
		t.Errorf("%v, %v", name, err)
	}
	if name.String() != "spiffe://cardea/eu/eu-central/identity" {
		t.Error(name.String())
	}
	if back, err := pki.ParseServiceName(name.String()); err != nil || back != name {
		t.Errorf("%v, %v", back, err)
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: root(t).Pool()}); err == nil {
		t.Error("another root verifies it")
	}
}

func TestAnExpiredCertificateDoesNotVerify(t *testing.T) {
	a := root(t)
	pair, err := a.IssueServiceFor("eu", "eu-central", "identity", -time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	_, err = leaf(t, pair).Verify(x509.VerifyOptions{Roots: a.Pool()})
	var invalid x509.CertificateInvalidError
	if !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
		t.Fatalf("got %v", err)
	}
}

func TestAnAuthoritySurvivesItsFiles(t *testing.T) {
	a, dir := root(t), t.TempDir()
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	b, err := pki.Load(dir)
	if err != nil || b.Fingerprint() != a.Fingerprint() {
		t.Fatal(err)
	}
	pair, err := b.IssueServer("locks.example.test", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := leaf(t, pair).Verify(x509.VerifyOptions{Roots: a.Pool(), DNSName: "locks.example.test"}); err != nil {
		t.Fatal(err)
	}
	keyPEM, _ := root(t).KeyPEM()
	if _, err := pki.ParseAuthority(a.CertPEM(), keyPEM); err == nil {
		t.Fatal("a key of another root was accepted")
	}
	if _, err := pki.ParseAuthority([]byte("x"), pem.EncodeToMemory(&pem.Block{})); err == nil {
		t.Fatal("garbage was accepted")
	}
}

func request(t *testing.T, key any, template *x509.CertificateRequest) *x509.CertificateRequest {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	return csr
}

func TestADeviceGetsItsOwnNameWhateverItAskedFor(t *testing.T) {
	a := root(t)
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	csr := request(t, key, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "root", Organization: []string{"org_euc_other"}},
		URIs:    []*url.URL{pki.ServiceURI("eu", "eu-central", "identity")},
	})
	der, err := a.SignDevice(csr, "device_euc_1", "org_euc_1", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	cert, _ := x509.ParseCertificate(der)
	if _, err := cert.Verify(x509.VerifyOptions{Roots: a.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Error(err)
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: a.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err == nil {
		t.Error("a lock's certificate serves")
	}
	device, org, err := pki.DeviceOf(cert)
	if err != nil || device != "device_euc_1" || org != "org_euc_1" {
		t.Errorf("%s, %s, %v", device, org, err)
	}
	if _, err := pki.ServiceOf(cert); !errors.Is(err, pki.ErrNoName) {
		t.Errorf("a lock passes as a service: %v", err)
	}
}

func TestBadRequestsOfDevicesAreRefused(t *testing.T) {
	a := root(t)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	good, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	forged := request(t, good, &x509.CertificateRequest{})
	forged.PublicKey = p384.Public()
	for name, csr := range map[string]*x509.CertificateRequest{
		"P-384": request(t, p384, &x509.CertificateRequest{}), "RSA": request(t, rsaKey, &x509.CertificateRequest{}), "forged": forged,
	} {
		if _, err := a.SignDevice(csr, "device_euc_1", "org_euc_1", time.Hour); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestOnlyExactNamesAreServices(t *testing.T) {
	for _, uri := range []string{
		"", "identity", "https://cardea/eu/eu-central/identity", "spiffe://other/eu/eu-central/identity", "spiffe://cardea/eu/eu-central",
		"spiffe://cardea/eu/eu-central/identity/x", "spiffe://cardea/eu//identity", "spiffe://cardea/eu/eu-central/identity?x=1", "spiffe://cardea/device/d",
	} {
		if name, err := pki.ParseServiceName(uri); err == nil {
			t.Errorf("%q is %v", uri, name)
		}
	}
}
