package enroll

import (
	"crypto/tls"
	"crypto/x509"
	"sync"
	"time"
)

// ServerCertificate is a gateway's certificate for locks. It is made again when a third of its life is left.
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
	pair, err := s.authority.root.IssueServer(ServerName)
	if err != nil {
		return nil, err
	}
	cert, err := pair.TLS()
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return nil, err
	}
	cert.Certificate = [][]byte{leaf.Raw, s.authority.RootDER()}
	s.current, s.renewAt = &cert, now.Add(leaf.NotAfter.Sub(now)*2/3)
	return s.current, nil
}
