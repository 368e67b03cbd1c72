package credential

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"math/big"
)

// Schemes say over what a key signs to prove that it is there.
const (
	SchemePKOC   = "pkoc"   // the nonce alone, as a PKOC card signs the reader's transaction identifier
	SchemeMobile = "mobile" // a label, the device's id and the nonce: an answer for one door is worth nothing at another
)

// Sizes of the parts of a proof, in bytes.
const (
	MinNonce      = 16
	MaxNonce      = 64
	SignatureSize = 64 // r and s of P-256, 32 bytes each, big-endian
)

// mobileLabel separates what a mobile key signs at doors from everything else that it may sign.
const mobileLabel = "cardea-mobile-key/1"

// ProofMessage is what a key signs: for SchemePKOC the nonce, for SchemeMobile
//
//	`cardea-mobile-key/1`  0x00  device id  0x00  nonce
//
// It is nil for an unknown scheme and for a nonce that is too short or too long.
func ProofMessage(scheme, deviceID string, nonce []byte) []byte {
	if len(nonce) < MinNonce || len(nonce) > MaxNonce {
		return nil
	}
	switch scheme {
	case SchemePKOC:
		return nonce
	case SchemeMobile:
		message := make([]byte, 0, len(mobileLabel)+1+len(deviceID)+1+len(nonce))
		message = append(append(message, mobileLabel...), 0)
		message = append(append(message, deviceID...), 0)
		return append(message, nonce...)
	default:
		return nil
	}
}

// VerifyProof says whether a signature proves that the private half of a public key (FormatPKOC) answered a nonce at a
// device: ECDSA P-256 with SHA-256 over ProofMessage. That the nonce is fresh is the lock's duty, who made it. Both s and
// its negative are accepted: cards send either, and nothing here counts on one key signing one message in one way.
func VerifyProof(scheme string, publicKey, nonce, signature []byte, deviceID string) bool {
	message := ProofMessage(scheme, deviceID, nonce)
	if message == nil || len(signature) != SignatureSize {
		return false
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), publicKey)
	if err != nil {
		return false
	}
	sum := sha256.Sum256(message)
	r, s := new(big.Int).SetBytes(signature[:SignatureSize/2]), new(big.Int).SetBytes(signature[SignatureSize/2:])
	return ecdsa.Verify(key, sum[:], r, s)
}
