package bundle

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

// ErrSignature is the error of what was not signed for this device by a signer of the root: BUNDLE_PROBLEM_SIGNATURE.
var ErrSignature = errors.New("not signed for this lock by a signer of its root")

// maxChain is how many certificates a signer's chain may have, maxCertificate how large each may be, maxSignature the signature.
const (
	maxChain       = 4
	maxCertificate = 4096
	maxSignature   = 80
)

// Verify checks a Bundle as a lock does and returns its content. now is the lock's clock, for the certificates. Its errors wrap
// ErrSignature, or ErrTooLarge.
func Verify(roots *x509.CertPool, m *lockwirev1.Bundle, deviceID string, now time.Time) (*lockwirev1.BundleContent, error) {
	if len(m.GetSigned()) > MaxSigned {
		return nil, fmt.Errorf("%d bytes: %w", len(m.GetSigned()), ErrTooLarge)
	}
	content := new(lockwirev1.BundleContent)
	if err := verify(roots, labelBundle, m.GetSigned(), m.GetSignature(), m.GetSignerChain(), now, content); err != nil {
		return nil, err
	}
	return content, forThis(content, m.GetVersion(), deviceID)
}

// VerifyRevocations checks Revocations as a lock does and returns their content. Errors as of Verify.
func VerifyRevocations(roots *x509.CertPool, m *lockwirev1.Revocations, deviceID string, now time.Time) (*lockwirev1.RevocationsContent, error) {
	content := new(lockwirev1.RevocationsContent)
	if err := verify(roots, labelRevocations, m.GetSigned(), m.GetSignature(), m.GetSignerChain(), now, content); err != nil {
		return nil, err
	}
	if len(content.GetRemoved()) > MaxRemoved {
		return nil, fmt.Errorf("%d revocations: %w", len(content.GetRemoved()), ErrTooLarge)
	}
	return content, forThis(content, m.GetVersion(), deviceID)
}

// forThis: a message of another device, or another version than it says outside, is none of this lock's.
func forThis(content interface {
	GetDeviceId() string
	GetVersion() uint64
}, version uint64, deviceID string) error {
	if content.GetDeviceId() != deviceID || content.GetVersion() != version || version == 0 {
		return fmt.Errorf("%w: it is version %d of %q", ErrSignature, content.GetVersion(), content.GetDeviceId())
	}
	return nil
}

func verify(roots *x509.CertPool, label string, signed, signature []byte, chain [][]byte, now time.Time, into proto.Message) error {
	key, err := signerKey(roots, chain, now)
	if err != nil {
		return err
	}
	digest := toSign(label, signed)
	if len(signature) > maxSignature || !ecdsa.VerifyASN1(key, digest[:], signature) {
		return fmt.Errorf("%w: wrong signature", ErrSignature)
	}
	if err := proto.Unmarshal(signed, into); err != nil {
		return fmt.Errorf("%w: what was signed is no such message", ErrSignature)
	}
	return nil
}

// signerKey is the key of a signer that the roots vouch for.
func signerKey(roots *x509.CertPool, chain [][]byte, now time.Time) (*ecdsa.PublicKey, error) {
	if len(chain) == 0 || len(chain) > maxChain {
		return nil, fmt.Errorf("%w: a chain of %d certificates", ErrSignature, len(chain))
	}
	between := x509.NewCertPool()
	var signer *x509.Certificate
	for i, der := range chain {
		if len(der) > maxCertificate {
			return nil, fmt.Errorf("%w: a certificate of %d bytes", ErrSignature, len(der))
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("%w: a certificate that cannot be read", ErrSignature)
		}
		if i == 0 {
			signer = cert
		} else {
			between.AddCert(cert)
		}
	}
	if _, err := signer.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: SignerName, CurrentTime: now}); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	key, ok := signer.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%w: the signer's key is not P-256", ErrSignature)
	}
	return key, nil
}
