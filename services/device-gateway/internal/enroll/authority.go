package enroll

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// ServerName is the DNS name in every gateway's certificate for locks: a lock checks it, and not the host that it dialled.
const ServerName = "gateway.cardea"

// ErrBadRequest is the error of a certificate request that is not a valid P-256 one.
var ErrBadRequest = errors.New("not a valid certificate request")

// skew is how far back certificates start to hold, for clocks that are behind.
const skew = time.Hour

// Authority is the jurisdiction's device root.
type Authority struct {
	root *x509.Certificate
	key  crypto.Signer
}

// LoadAuthority reads the root's certificate and key, PEM files.
func LoadAuthority(certFile, keyFile string) (*Authority, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("device root: %w", err)
	}
	return NewAuthority(pair)
}

// NewAuthority checks that the certificate is a P-256 CA's.
func NewAuthority(pair tls.Certificate) (*Authority, error) {
	root, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("device root: %w", err)
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok || !root.IsCA {
		return nil, fmt.Errorf("device root: %s is no certificate authority with a key", root.Subject)
	}
	return &Authority{root: root, key: key}, nil
}

// Root is the certificate that locks pin.
func (a *Authority) Root() *x509.Certificate { return a.root }

// Pool has the root only.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.root)
	return pool
}

// Fingerprint is what goes into a claim code: base64url of the SHA-256 of the root's DER.
func (a *Authority) Fingerprint() string {
	h := sha256.Sum256(a.root.Raw)
	return base64.RawURLEncoding.EncodeToString(h[:])
}

// Request is a checked certificate request.
type Request struct{ public *ecdsa.PublicKey }

// ParseRequest checks a PKCS #10 request: P-256 and signed with its own key. Its subject and extensions are not looked at.
// Errors wrap ErrBadRequest.
func ParseRequest(der []byte) (Request, error) {
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return Request{}, fmt.Errorf("%w: not PKCS #10", ErrBadRequest)
	}
	public, ok := csr.PublicKey.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return Request{}, fmt.Errorf("%w: the key is not P-256", ErrBadRequest)
	}
	if err := csr.CheckSignature(); err != nil {
		return Request{}, fmt.Errorf("%w: its signature is wrong", ErrBadRequest)
	}
	return Request{public: public}, nil
}

// Issued is a device's certificate.
type Issued struct {
	DER []byte
	// KeyHash is SHA-256 of its public key (the DER of SubjectPublicKeyInfo).
	KeyHash  []byte
	NotAfter time.Time
}

// SignDevice issues a device's certificate: client authentication only, from an hour before now for ttl.
func (a *Authority) SignDevice(r Request, device, org region.ID, now time.Time, ttl time.Duration) (Issued, error) {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: string(device)},
		URIs:        []*url.URL{deviceURI(device), orgURI(org)},
		NotBefore:   now.Add(-skew),
		NotAfter:    now.Add(ttl),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := a.sign(template, r.public)
	if err != nil {
		return Issued{}, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return Issued{}, err
	}
	return Issued{DER: der, KeyHash: KeyHash(cert), NotAfter: cert.NotAfter}, nil
}

// KeyHash is SHA-256 of a certificate's public key (the DER of SubjectPublicKeyInfo).
func KeyHash(cert *x509.Certificate) []byte {
	h := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return h[:]
}

func (a *Authority) sign(template *x509.Certificate, public *ecdsa.PublicKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	if template.NotAfter.After(a.root.NotAfter) {
		template.NotAfter = a.root.NotAfter
	}
	template.BasicConstraintsValid = true
	der, err := x509.CreateCertificate(rand.Reader, template, a.root, public, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate of %s: %w", template.Subject.CommonName, err)
	}
	return der, nil
}
