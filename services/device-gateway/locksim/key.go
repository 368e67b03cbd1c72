package locksim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/policy/credential"
)

// Signer is a key that a person carries: a phone or a PKOC card. The lock asks it by radio.
type Signer interface {
	// PublicKey is an uncompressed point of P-256, 65 bytes.
	PublicKey() []byte
	// Answer answers a lock's challenge.
	Answer(deviceID string, nonce []byte) (*lockwirev1.KeyProof, error)
}

// Key is a Signer in memory.
type Key struct {
	private *ecdsa.PrivateKey
	public  []byte
	scheme  string
}

// Phone is a mobile key: what it signs names the lock.
func Phone(private *ecdsa.PrivateKey) (*Key, error) { return newKey(private, credential.SchemeMobile) }

// PKOCCard is a card with a key: it signs the nonce alone.
func PKOCCard(private *ecdsa.PrivateKey) (*Key, error) {
	return newKey(private, credential.SchemePKOC)
}

func newKey(private *ecdsa.PrivateKey, scheme string) (*Key, error) {
	if private.Curve != elliptic.P256() {
		return nil, errors.New("a mobile key or PKOC card has a key of P-256")
	}
	public, err := private.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	return &Key{private: private, public: public, scheme: scheme}, nil
}

// ReadKey reads a private key of P-256 in PEM, PKCS #8 or SEC 1.
func ReadKey(path string) (*ecdsa.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "EC PRIVATE KEY":
			return x509.ParseECPrivateKey(block.Bytes)
		case "PRIVATE KEY":
			key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if private, ok := key.(*ecdsa.PrivateKey); ok {
				return private, nil
			}
			return nil, errors.Join(fmt.Errorf("%s: not an EC key", path), err)
		}
	}
	return nil, fmt.Errorf("%s: no private key in PEM; make one with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", path)
}

// PublicKey implements Signer.
func (k *Key) PublicKey() []byte { return k.public }

// Answer implements Signer.
func (k *Key) Answer(deviceID string, nonce []byte) (*lockwirev1.KeyProof, error) {
	message := credential.ProofMessage(k.scheme, deviceID, nonce)
	if message == nil {
		return nil, fmt.Errorf("a nonce of %d bytes", len(nonce))
	}
	sum := sha256.Sum256(message)
	r, s, err := ecdsa.Sign(rand.Reader, k.private, sum[:])
	if err != nil {
		return nil, err
	}
	signature := make([]byte, credential.SignatureSize)
	r.FillBytes(signature[:credential.SignatureSize/2])
	s.FillBytes(signature[credential.SignatureSize/2:])
	scheme := lockwirev1.ProofScheme_PROOF_SCHEME_MOBILE
	if k.scheme == credential.SchemePKOC {
		scheme = lockwirev1.ProofScheme_PROOF_SCHEME_PKOC
	}
	return &lockwirev1.KeyProof{Scheme: scheme, Nonce: nonce, Signature: signature}, nil
}

// CardOf is a public key as a reader sees it. Without the private half it opens nothing.
func CardOf(publicKey []byte) *lockwirev1.Card {
	return &lockwirev1.Card{
		Format: lockwirev1.CardFormat_CARD_FORMAT_PKOC, BitLength: uint32(8 * len(publicKey)), Bits: publicKey,
	}
}

// nonceSize is what the lock sends as a challenge, in bytes.
const nonceSize = 32

// challenge asks the key that is presented, if one is, with a nonce of its own for this one time. A key that does not answer
// leaves its public half alone, which opens nothing.
func (l *Lock) challenge(p Presented) Presented {
	if p.Key == nil {
		return p
	}
	nonce := make([]byte, nonceSize)
	rand.Read(nonce) // never fails: crypto/rand ends the program when the system has no randomness
	p.Card = CardOf(p.Key.PublicKey())
	proof, err := p.Key.Answer(l.flash.DeviceID, nonce)
	if err != nil {
		l.cfg.Logger.Info("lock: the key did not answer", "device", l.flash.DeviceID, "error", err)
	}
	p.Proof = proof
	return p
}
