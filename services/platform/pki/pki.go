// Package pki is a small certificate authority: for development, tests and the local runner it issues the mesh's
// certificates, and in every deployment it signs the certificates of enrolling locks.
//
// Names follow SPIFFE: a service is `spiffe://cardea/<jurisdiction>/<region>/<service>`, a device
// `spiffe://cardea/device/<device id>`. Keys are ECDSA on P-256. An Authority is safe for concurrent use.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// skew is how far certificates are dated back, for peers whose clocks are behind.
const skew = 5 * time.Minute

// Authority is a root certificate and its key.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewRoot makes a root that is valid until notAfter.
func NewRoot(name string, notAfter time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make root key: %w", err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-skew),
		NotAfter:              notAfter,
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	a := &Authority{cert: template, key: key}
	der, err := a.sign(template, key.Public())
	if err != nil {
		return nil, err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("parse own root: %w", err)
	}
	return a, nil
}

// ParseAuthority reads what CertPEM and KeyPEM wrote.
func ParseAuthority(certPEM, keyPEM []byte) (*Authority, error) {
	certBlock, _ := pem.Decode(certPEM)
	keyBlock, _ := pem.Decode(keyPEM)
	if certBlock == nil || keyBlock == nil {
		return nil, errors.New("authority: no PEM block")
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("authority certificate: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, errors.New("authority key: not a PKCS #8 private key") // the parser's text is not for logs
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(cert.PublicKey) || !cert.IsCA {
		return nil, errors.New("authority: key and certificate do not belong together, or it is no authority")
	}
	return &Authority{cert: cert, key: key}, nil
}

// Load reads `ca.pem` and `ca.key` from a folder.
func Load(dir string) (*Authority, error) {
	return LoadFiles(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key"))
}

// LoadFiles reads an authority's certificate and key.
func LoadFiles(certFile, keyFile string) (*Authority, error) {
	certPEM, err := os.ReadFile(certFile)
	if err != nil {
		return nil, fmt.Errorf("load authority: %w", err)
	}
	keyPEM, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("load authority: %w", err)
	}
	return ParseAuthority(certPEM, keyPEM)
}

// LoadCertificate reads the certificate of an authority whose key is elsewhere, PEM.
func LoadCertificate(file string) (*x509.Certificate, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("load certificate: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("load certificate: %s has no PEM certificate", file)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("load certificate %s: %w", file, err)
	}
	if !cert.IsCA {
		return nil, fmt.Errorf("load certificate: %s is of no authority", file)
	}
	return cert, nil
}

// Save writes `ca.pem` and `ca.key` (mode 0600) into a folder that exists.
func (a *Authority) Save(dir string) error {
	keyPEM, err := encodeKey(a.key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "ca.pem"), a.CertPEM(), 0o644),
		os.WriteFile(filepath.Join(dir, "ca.key"), keyPEM, 0o600),
	)
}

// CertPEM is the root certificate.
func (a *Authority) CertPEM() []byte { return encodeCert(a.cert.Raw) }

// KeyPEM is the root's private key.
func (a *Authority) KeyPEM() ([]byte, error) { return encodeKey(a.key) }

// Certificate is the root certificate.
func (a *Authority) Certificate() *x509.Certificate { return a.cert }

// Fingerprint is SHA-256 of the root certificate's DER: what a claim code carries.
func (a *Authority) Fingerprint() [32]byte { return sha256.Sum256(a.cert.Raw) }

// Pool trusts this root only.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// sign completes a template with a random serial number.
func (a *Authority) sign(template *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, public, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	return der, nil
}

func encodeCert(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
