package enroll

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/pki"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// ServerName is the DNS name in every gateway's certificate for locks: a lock checks it, and not the host that it dialled.
const ServerName = "gateway.cardea"

// ErrBadRequest is the error of a certificate request that is not a valid P-256 one.
var ErrBadRequest = errors.New("not a valid certificate request")

// Authority is the jurisdiction's device root, and the roots that are trusted beside it: the next or the last one, while a root is
// replaced.
type Authority struct {
	root *pki.Authority
	more []*x509.Certificate
}

// NewAuthority signs with the root.
func NewAuthority(root *pki.Authority, more ...*x509.Certificate) *Authority {
	return &Authority{root: root, more: more}
}

// RootDER is the certificate that an enrolling lock pins.
func (a *Authority) RootDER() []byte { return a.root.Certificate().Raw }

// RootsDER are all roots by which locks shall verify gateways; the signing one is the first.
func (a *Authority) RootsDER() [][]byte {
	all := [][]byte{a.RootDER()}
	for _, root := range a.more {
		all = append(all, root.Raw)
	}
	return all
}

// Pool has all roots: a device whose certificate is of any of them is served.
func (a *Authority) Pool() *x509.CertPool {
	pool := a.root.Pool()
	for _, root := range a.more {
		pool.AddCert(root)
	}
	return pool
}

// Fingerprint is what goes into a claim code: base64url of the SHA-256 of the root's DER.
func (a *Authority) Fingerprint() string {
	h := a.root.Fingerprint()
	return base64.RawURLEncoding.EncodeToString(h[:])
}

// Request is a checked certificate request.
type Request struct{ csr *x509.CertificateRequest }

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
	if csr.SignatureAlgorithm != x509.ECDSAWithSHA256 {
		return Request{}, fmt.Errorf("%w: its signature is not ECDSA with SHA-256", ErrBadRequest)
	}
	if err := csr.CheckSignature(); err != nil {
		return Request{}, fmt.Errorf("%w: its signature is wrong", ErrBadRequest)
	}
	return Request{csr: csr}, nil
}

// KeyHash is SHA-256 of the request's public key (the DER of SubjectPublicKeyInfo), as of the certificate to come.
func (r Request) KeyHash() []byte {
	h := sha256.Sum256(r.csr.RawSubjectPublicKeyInfo)
	return h[:]
}

// Signed is a device's certificate.
type Signed struct {
	DER                 []byte
	NotBefore, NotAfter time.Time
}

// Sign issues a device's certificate for ttl: client authentication only.
func (a *Authority) Sign(r Request, device, org region.ID, ttl time.Duration) (Signed, error) {
	der, err := a.root.SignDevice(r.csr, string(device), string(org), ttl)
	if err != nil {
		return Signed{}, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return Signed{}, fmt.Errorf("own certificate: %w", err)
	}
	return Signed{DER: der, NotBefore: cert.NotBefore, NotAfter: cert.NotAfter}, nil
}

// SignDevice is Sign for who needs the DER only.
func (a *Authority) SignDevice(r Request, device, org region.ID, ttl time.Duration) ([]byte, error) {
	signed, err := a.Sign(r, device, org, ttl)
	return signed.DER, err
}
