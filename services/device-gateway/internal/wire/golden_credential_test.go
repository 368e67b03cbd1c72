package wire

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/policy/credential"
)

// goldenDigest is an entry of digests.json.
type goldenDigest struct {
	Name      string   `json:"name"`
	Key       hexBytes `json:"key"`
	Kind      string   `json:"kind"`
	Format    string   `json:"format"`
	BitLength uint32   `json:"bit_length"`
	Bits      hexBytes `json:"bits"`
	// Message is what HMAC-SHA-256 authenticates.
	Message hexBytes `json:"message"`
	Digest  hexBytes `json:"digest"`
}

func goldenDigests() []goldenDigest {
	one := func(name, kind, format string, length uint32, bits []byte) goldenDigest {
		message := digestInput(kind, format, length, bits)
		return goldenDigest{name, digestKey(), kind, format, length, bits, message, digestOf(digestKey(), message)}
	}
	pin := []byte(vectorPerson + "\x00" + "0042")
	all := []goldenDigest{
		one("a mobile key", "mobile", "pkoc", 520, mobileKey().point()),
		one("a PIN: the person's id, a zero byte, the digits", "pin", "pin", uint32(8*len(pin)), pin),
		one("an entry code: the digits", "entry_code", "pin", 48, []byte("471100")),
	}
	for _, card := range []*lockwirev1.Card{wiegand26(), wiegand34(), wiegand37(), uid7(), pkoc()} {
		all = append(all, one("a card: "+formatName(card.GetFormat()), "card", formatName(card.GetFormat()), card.GetBitLength(), card.GetBits()))
	}
	return all
}

// TestGoldenDigests holds the file to PROTOCOL.md's words, and the gateway's own digests to the file.
func TestGoldenDigests(t *testing.T) {
	holdGolden(t, "digests.json", goldenDigests())
	var file []goldenDigest
	readGolden(t, "digests.json", &file)
	for _, g := range file {
		if got := credential.Digest([32]byte(g.Key), g.Kind, g.Format, g.BitLength, g.Bits); !bytes.Equal(got[:], g.Digest) {
			t.Errorf("%s: the gateway's digest is %x", g.Name, got)
		}
	}
	if got := credential.PINDigest([32]byte(digestKey()), vectorPerson, "0042"); !bytes.Equal(got[:], digestOf(digestKey(), pinInput(vectorPerson, "0042"))) {
		t.Errorf("the gateway's PIN is %x", got)
	}
}

// goldenProof is an entry of proofs.json.
type goldenProof struct {
	Name      string   `json:"name"`
	Scheme    string   `json:"scheme"`
	DeviceID  string   `json:"device_id"`
	PublicKey hexBytes `json:"public_key"`
	Nonce     hexBytes `json:"nonce"`
	// Message is what was signed, if it is right.
	Message   hexBytes `json:"message"`
	Signature hexBytes `json:"signature"`
	Valid     bool     `json:"valid"`
}

func goldenProofs() []goldenProof {
	one := func(name string, scheme lockwirev1.ProofScheme, device string, by fixedKey, change func(*lockwirev1.KeyProof)) goldenProof {
		proof := by.proof(scheme, nonce())
		change(proof)
		return goldenProof{
			name, strings.TrimPrefix(proof.GetScheme().String(), "PROOF_SCHEME_"), device, mobileKey().point(), proof.GetNonce(),
			proofMessage(proof.GetScheme(), device, proof.GetNonce()), proof.GetSignature(), false,
		}
	}
	const card, mobile = lockwirev1.ProofScheme_PROOF_SCHEME_PKOC, lockwirev1.ProofScheme_PROOF_SCHEME_MOBILE
	as := func(*lockwirev1.KeyProof) {}
	elsewhere := strings.Replace(vectorDevice, "xw", "xa", 1)
	all := []goldenProof{
		one("a PKOC card", card, vectorDevice, mobileKey(), as),
		one("a mobile key", mobile, vectorDevice, mobileKey(), as),
		one("a PKOC card at another device: it names none", card, elsewhere, mobileKey(), as),
		one("the other s: cards send either", card, vectorDevice, mobileKey(), func(p *lockwirev1.KeyProof) {
			s := new(big.Int).SetBytes(p.Signature[32:])
			s.Sub(elliptic.P256().Params().N, s).FillBytes(p.Signature[32:])
		}),
		one("a mobile key at another device", mobile, elsewhere, mobileKey(), as),
		one("another key", card, vectorDevice, strayKey(), as),
		one("a mobile key's answer shown as a card's", mobile, vectorDevice, mobileKey(), func(p *lockwirev1.KeyProof) { p.Scheme = card }),
		one("another nonce", card, vectorDevice, mobileKey(), func(p *lockwirev1.KeyProof) { p.Nonce = bytes.Repeat([]byte{0x5b}, 16) }),
		one("a changed signature", mobile, vectorDevice, mobileKey(), func(p *lockwirev1.KeyProof) { p.Signature[63] ^= 1 }),
		one("r and s are 0", card, vectorDevice, mobileKey(), func(p *lockwirev1.KeyProof) { p.Signature = make([]byte, 64) }),
	}
	for i := range 4 {
		all[i].Valid = true
	}
	return all
}

func TestGoldenProofs(t *testing.T) {
	holdGolden(t, "proofs.json", goldenProofs())
	var file []goldenProof
	readGolden(t, "proofs.json", &file)
	for _, g := range file {
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), g.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		hash := sha256.Sum256(g.Message)
		r, s := new(big.Int).SetBytes(g.Signature[:32]), new(big.Int).SetBytes(g.Signature[32:])
		if ecdsa.Verify(key, hash[:], r, s) != g.Valid {
			t.Errorf("%s: not %v", g.Name, g.Valid)
		}
	}
}

// goldenClaim is an entry of claims.json.
type goldenClaim struct {
	Name string `json:"name"`
	Code string `json:"code"`
	// Chain is what the server showed, DER.
	Chain []hexBytes `json:"chain"`
	// Now is the lock's time, milliseconds since 1970 UTC.
	Now uint64 `json:"now_ms"`
	// Secret is what the lock sends; empty: nothing, it closes.
	Secret string `json:"secret"`
}

func serverCertificate(root fixedKey, name string) []byte {
	return signerCertificate(root, func(c *x509.Certificate) { c.DNSNames = []string{name} })
}

func goldenClaims() []goldenClaim {
	root, stray := rootCertificate(rootKey()), rootCertificate(strayKey())
	code := claimSecret + "." + base64.RawURLEncoding.EncodeToString(hashOf(root))
	good := []hexBytes{serverCertificate(rootKey(), "gateway.cardea"), root}
	client := hexBytes(signerCertificate(rootKey(), func(c *x509.Certificate) {
		c.DNSNames, c.ExtKeyUsage = []string{"gateway.cardea"}, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}))
	return []goldenClaim{
		{"a claim code and its gateway", code, good, vectorNow, claimSecret},
		{"another jurisdiction's gateway", code, []hexBytes{serverCertificate(strayKey(), "gateway.cardea"), stray}, vectorNow, ""},
		{"the root is shown, the leaf is another's", code, []hexBytes{serverCertificate(strayKey(), "gateway.cardea"), root}, vectorNow, ""},
		{"the leaf has another name", code, []hexBytes{serverCertificate(rootKey(), "bundles.cardea"), root}, vectorNow, ""},
		{"the leaf has the usage of a client only", code, []hexBytes{client, root}, vectorNow, ""},
		{"the root is not shown", code, good[:1], vectorNow, ""},
		{"the leaf has ended", code, good, vectorNow + 90*86_400_000, ""},
		{"no dot", claimSecret, good, vectorNow, ""},
		{"two dots", "a." + code, good, vectorNow, ""},
		{"a fingerprint with padding", code + "=", good, vectorNow, ""},
		{"no secret", code[len(claimSecret):], good, vectorNow, ""},
	}
}

func TestGoldenClaims(t *testing.T) {
	holdGolden(t, "claims.json", goldenClaims())
	var file []goldenClaim
	readGolden(t, "claims.json", &file)
	for _, g := range file {
		if got := secretToSend(g); got != g.Secret {
			t.Errorf("%s: sends %q", g.Name, got)
		}
	}
}

// secretToSend does what PROTOCOL.md says about enrolment.
func secretToSend(g goldenClaim) string {
	secret, fingerprint, _ := strings.Cut(g.Code, ".")
	want, err := base64.RawURLEncoding.DecodeString(fingerprint)
	if err != nil || len(want) != sha256.Size || secret == "" || len(secret) > maxClaimSecret {
		return ""
	}
	for _, der := range g.Chain {
		if bytes.Equal(hashOf(der), want) && verifies([][]byte{g.Chain[0]}, der, "gateway.cardea", g.Now) {
			return secret
		}
	}
	return ""
}
