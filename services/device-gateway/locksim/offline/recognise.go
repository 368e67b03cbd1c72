package offline

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math/big"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// Kinds and formats, as they go into a digest.
const (
	kindCard      = "card"
	kindMobile    = "mobile"
	kindPIN       = "pin"
	kindEntryCode = "entry_code"
	formatPIN     = "pin"
)

// digest is HMAC-SHA-256 under a digest key, as PROTOCOL.md describes: each part with its length before it.
func digest(key []byte, kind, format string, bitLength uint32, bits []byte) [32]byte {
	mac := hmac.New(sha256.New, key)
	part := func(b []byte) {
		mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b))))
		mac.Write(b)
	}
	part([]byte("credential/v1"))
	part([]byte(kind))
	part([]byte(format))
	mac.Write(binary.BigEndian.AppendUint32(nil, bitLength))
	part(bits)
	return [32]byte(mac.Sum(nil))
}

// recognise finds the entry of what was presented (D3); nil: there is none.
func (h *Holder) recognise(p Presented, uptime uint64) *lockwirev1.BundleEntry {
	switch {
	case p.Card == nil && p.PIN == "":
		return nil
	case p.Card == nil:
		var found *lockwirev1.BundleEntry
		h.attempts.try("", maxWrongCodes, uptime, func() bool {
			found = h.find(uint32(8*len(p.PIN)), []byte(p.PIN), formatPIN, kindEntryCode)
			return found != nil
		})
		return found
	case p.Card.GetFormat() == lockwirev1.CardFormat_CARD_FORMAT_PKOC && !h.proven(p):
		return nil
	}
	format, ok := formats[p.Card.GetFormat()]
	if !ok {
		return nil
	}
	return h.find(p.Card.GetBitLength(), p.Card.GetBits(), format, kindCard, kindMobile)
}

var formats = map[lockwirev1.CardFormat]string{
	lockwirev1.CardFormat_CARD_FORMAT_WIEGAND26: "wiegand26",
	lockwirev1.CardFormat_CARD_FORMAT_WIEGAND34: "wiegand34",
	lockwirev1.CardFormat_CARD_FORMAT_WIEGAND37: "wiegand37",
	lockwirev1.CardFormat_CARD_FORMAT_UID:       "uid",
	lockwirev1.CardFormat_CARD_FORMAT_PKOC:      "pkoc",
}

func (h *Holder) find(bitLength uint32, bits []byte, format string, kinds ...string) *lockwirev1.BundleEntry {
	for _, key := range h.content.door.GetKeys() {
		for _, kind := range kinds {
			hash, ok := h.content.index[digestKey{key.GetId(), digest(key.GetKey(), kind, format, bitLength, bits)}]
			if !ok {
				continue
			}
			if entry, err := parseEntry(h.content.entries[hash]); err == nil {
				return entry
			}
		}
	}
	return nil
}

// proven says whether the private half of the presented public key has answered the lock's challenge.
func (h *Holder) proven(p Presented) bool {
	nonce, signature := p.Proof.GetNonce(), p.Proof.GetSignature()
	if len(nonce) < 16 || len(nonce) > 64 || len(signature) != 64 {
		return false
	}
	var message []byte
	switch p.Proof.GetScheme() {
	case lockwirev1.ProofScheme_PROOF_SCHEME_PKOC:
		message = nonce
	case lockwirev1.ProofScheme_PROOF_SCHEME_MOBILE:
		message = append([]byte("cardea-mobile-key/1\x00"+h.device+"\x00"), nonce...)
	default:
		return false
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), p.Card.GetBits())
	if err != nil {
		return false
	}
	sum := sha256.Sum256(message)
	return ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
}

// hasPIN says whether the digits are a PIN of the entry's person.
func (h *Holder) hasPIN(entry *lockwirev1.BundleEntry, digits string) bool {
	bits := append([]byte(entry.GetPersonId()+"\x00"), digits...)
	right := false
	for _, key := range h.content.door.GetKeys() {
		want := digest(key.GetKey(), kindPIN, formatPIN, uint32(8*len(bits)), bits)
		for _, d := range entry.GetPins() {
			if d.GetKeyId() == key.GetId() && hmac.Equal(d.GetDigest(), want[:]) {
				right = true
			}
		}
	}
	return right
}
