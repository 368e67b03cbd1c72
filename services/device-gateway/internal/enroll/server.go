package enroll

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"sync"
	"time"
)

// serverTTL is how long a gateway's certificate for locks holds; it is made again when a third of that is left.
const serverTTL = 30 * 24 * time.Hour

// ServerCertificate is a gateway's certificate for locks. It renews itself.
type ServerCertificate struct {
	authority *Authority
	now       func() time.Time

	mu      sync.Mutex
	current *tls.Certificate // guarded by mu
	renewAt time.Time        // guarded by mu
}

// NewServerCertificate makes the first one.
func NewServerCertificate(a *Authority, now func() time.Time) (*ServerCertificate, error) {
	s := &ServerCertificate{authority: a, now: now}
	_, err := s.Get()
	return s, err
}

// Get returns leaf and root with the leaf's key; the root goes along because an enrolling lock looks for it.
func (s *ServerCertificate) Get() (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.current != nil && now.Before(s.renewAt) {
		return s.current, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := s.authority.sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: ServerName},
		DNSNames:    []string{ServerName},
		NotBefore:   now.Add(-skew),
		NotAfter:    now.Add(serverTTL),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, &key.PublicKey)
	if err != nil {
		return nil, err
	}
	s.current = &tls.Certificate{Certificate: [][]byte{der, s.authority.root.Raw}, PrivateKey: key}
	s.renewAt = now.Add(serverTTL * 2 / 3)
	return s.current, nil
}
