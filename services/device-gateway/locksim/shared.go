package locksim

import (
	"crypto/sha256"
	"crypto/x509"
	"sync"
)

// Shared is what locks of one process have together, so that each costs less. The zero value is ready, and safe for
// concurrent use.
type Shared struct {
	mu    sync.Mutex
	pools map[[sha256.Size]byte]*x509.CertPool // by the hash of all roots
}

// pool has the roots (DER).
func (s *Shared) pool(roots [][]byte) (*x509.CertPool, error) {
	h := sha256.New()
	for _, der := range roots {
		one := sha256.Sum256(der)
		h.Write(one[:])
	}
	key := [sha256.Size]byte(h.Sum(nil))
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.pools[key]; p != nil {
		return p, nil
	}
	p := x509.NewCertPool()
	for _, der := range roots {
		root, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		p.AddCert(root)
	}
	if s.pools == nil {
		s.pools = map[[sha256.Size]byte]*x509.CertPool{}
	}
	s.pools[key] = p
	return p, nil
}
