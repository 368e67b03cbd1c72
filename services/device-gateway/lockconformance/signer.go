package lockconformance

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
)

// signer signs bundles with a certificate's key.
func signer(cert tls.Certificate) func(label string, signed []byte) ([]byte, error) {
	return func(label string, signed []byte) ([]byte, error) {
		key, ok := cert.PrivateKey.(crypto.Signer)
		if !ok {
			return nil, errors.New("the key cannot sign")
		}
		digest := sha256.Sum256(append([]byte(label), signed...))
		return key.Sign(rand.Reader, digest[:], crypto.SHA256)
	}
}
