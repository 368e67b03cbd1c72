package bundle

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

// SignerName is the DNS name in a signer's certificate.
const SignerName = "bundles.cardea"

// What a signature begins with, so that neither message can pass for the other.
const (
	labelBundle      = "cardea-bundle/1"
	labelRevocations = "cardea-revocations/1"
)

// ErrTooLarge is the error of a content of more than MaxSigned bytes, or of more than MaxRemoved hashes to take out.
var ErrTooLarge = errors.New("too large for a lock")

// Signer signs what locks may decide alone. Its key is only in memory.
type Signer struct {
	issue func() (tls.Certificate, error)
	now   func() time.Time

	mu   sync.Mutex // guards cert
	cert tls.Certificate
}

// NewSigner makes a signer. issue makes a certificate with a new P-256 key and the name SignerName, of the jurisdiction's device root; it is
// asked at once, and again when less than a third of the certificate's life is left.
func NewSigner(issue func() (tls.Certificate, error), now func() time.Time) (*Signer, error) {
	s := &Signer{issue: issue, now: now}
	var err error
	if s.cert, err = issued(issue); err != nil {
		return nil, err
	}
	return s, nil
}

func issued(issue func() (tls.Certificate, error)) (tls.Certificate, error) {
	cert, err := issue()
	if err == nil && cert.Leaf == nil {
		cert.Leaf, err = x509.ParseCertificate(cert.Certificate[0])
	}
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("bundle signer: %w", err)
	}
	if _, ok := cert.PrivateKey.(*ecdsa.PrivateKey); !ok {
		return tls.Certificate{}, errors.New("bundle signer: not an ECDSA key")
	}
	return cert, nil
}

// Bundle signs a content. Errors wrap ErrTooLarge.
func (s *Signer) Bundle(m *lockwirev1.BundleContent) (*lockwirev1.Bundle, error) {
	signed, signature, chain, err := s.sign(labelBundle, m)
	if err != nil {
		return nil, err
	}
	if len(signed) > MaxSigned || len(m.GetEntries()) > MaxEntries {
		return nil, fmt.Errorf("bundle of %d entries and %d bytes for %s: %w", len(m.GetEntries()), len(signed), m.GetDeviceId(), ErrTooLarge)
	}
	return &lockwirev1.Bundle{Version: m.GetVersion(), Signed: signed, Signature: signature, SignerChain: chain}, nil
}

// Revocations signs revocations. Errors wrap ErrTooLarge.
func (s *Signer) Revocations(m *lockwirev1.RevocationsContent) (*lockwirev1.Revocations, error) {
	if len(m.GetRemoved()) > MaxRemoved {
		return nil, fmt.Errorf("%d revocations for %s: %w", len(m.GetRemoved()), m.GetDeviceId(), ErrTooLarge)
	}
	signed, signature, chain, err := s.sign(labelRevocations, m)
	if err != nil {
		return nil, err
	}
	return &lockwirev1.Revocations{Version: m.GetVersion(), Signed: signed, Signature: signature, SignerChain: chain}, nil
}

func (s *Signer) sign(label string, m proto.Message) (signed, signature []byte, chain [][]byte, err error) {
	if signed, err = (proto.MarshalOptions{Deterministic: true}).Marshal(m); err != nil {
		return nil, nil, nil, fmt.Errorf("encode a bundle: %w", err)
	}
	cert, err := s.certificate()
	if err != nil {
		return nil, nil, nil, err
	}
	digest := toSign(label, signed)
	if signature, err = ecdsa.SignASN1(rand.Reader, cert.PrivateKey.(*ecdsa.PrivateKey), digest[:]); err != nil {
		return nil, nil, nil, fmt.Errorf("sign a bundle: %w", err)
	}
	return signed, signature, cert.Certificate, nil
}

// certificate is the one in use, renewed in time. One that cannot be renewed is used up to its end.
func (s *Signer) certificate() (tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, leaf := s.now(), s.cert.Leaf
	if left := leaf.NotAfter.Sub(now); left > leaf.NotAfter.Sub(leaf.NotBefore)/3 {
		return s.cert, nil
	}
	cert, err := issued(s.issue)
	if err == nil {
		s.cert = cert
	} else if !now.Before(leaf.NotAfter) {
		return tls.Certificate{}, err
	}
	return s.cert, nil
}

func toSign(label string, signed []byte) [32]byte {
	h := sha256.New()
	h.Write([]byte(label))
	h.Write([]byte{0})
	h.Write(signed)
	return [32]byte(h.Sum(nil))
}
