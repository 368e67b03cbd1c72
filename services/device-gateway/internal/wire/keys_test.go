package wire

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"io"
	"math/big"
	"net/url"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// vectorNow is the moment of the vectors, milliseconds since 1970 UTC.
const (
	vectorNow    = 1_795_000_000_000
	vectorDevice = "device_euc_01jd3q8v5dfw0b9m3cz1n2k4xw"
)

// fixedKey signs as RFC 6979 says, so that the same vectors have the same bytes.
type fixedKey struct{ *ecdsa.PrivateKey }

// newFixedKey is the P-256 key whose 32 bytes are all b.
func newFixedKey(b byte) fixedKey {
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{b}, 32))
	if err != nil {
		panic(err)
	}
	return fixedKey{key}
}

// Sign implements crypto.Signer.
func (k fixedKey) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return k.PrivateKey.Sign(nil, digest, opts)
}

// point is the uncompressed public key.
func (k fixedKey) point() []byte {
	point, err := k.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	return point
}

// sign is an ASN.1 signature over the parts with SHA-256.
func (k fixedKey) sign(parts ...[]byte) []byte {
	hash := sha256.Sum256(bytes.Join(parts, nil))
	signature, err := k.Sign(nil, hash[:], crypto.SHA256)
	if err != nil {
		panic(err)
	}
	return signature
}

// proof is what a key answers: r and s.
func (k fixedKey) proof(scheme lockwirev1.ProofScheme, nonce []byte) *lockwirev1.KeyProof {
	var pair struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(k.sign(proofMessage(scheme, vectorDevice, nonce)), &pair); err != nil {
		panic(err)
	}
	signature := make([]byte, 64)
	pair.R.FillBytes(signature[:32])
	pair.S.FillBytes(signature[32:])
	return &lockwirev1.KeyProof{Scheme: scheme, Nonce: nonce, Signature: signature}
}

// proofMessage is over what a proof signs, as PROTOCOL.md says.
func proofMessage(scheme lockwirev1.ProofScheme, device string, nonce []byte) []byte {
	if scheme == lockwirev1.ProofScheme_PROOF_SCHEME_MOBILE {
		return bytes.Join([][]byte{[]byte("cardea-mobile-key/1\x00"), []byte(device), {0}, nonce}, nil)
	}
	return nonce
}

// The vectors' keys; they protect nothing.
func rootKey() fixedKey   { return newFixedKey(1) }
func signerKey() fixedKey { return newFixedKey(2) }
func deviceKey() fixedKey { return newFixedKey(3) }
func mobileKey() fixedKey { return newFixedKey(4) }
func strayKey() fixedKey  { return newFixedKey(5) }

func rootTemplate() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Cardea test root"},
		NotBefore: time.UnixMilli(vectorNow).Add(-365 * 24 * time.Hour).UTC().Truncate(time.Second),
		NotAfter:  time.UnixMilli(vectorNow).Add(30 * 365 * 24 * time.Hour).UTC().Truncate(time.Second),
		IsCA:      true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
}

func rootCertificate(key fixedKey) []byte {
	return certificate(rootTemplate(), rootTemplate(), key, key)
}

// signerCertificate is a bundle signer's; change spoils it.
func signerCertificate(root fixedKey, change func(*x509.Certificate)) []byte {
	template := signerTemplate()
	if change != nil {
		change(template)
	}
	return certificate(template, rootTemplate(), signerKey(), root)
}

func signerTemplate() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "bundle signer"}, DNSNames: []string{"bundles.cardea"},
		NotBefore:   time.UnixMilli(vectorNow).Add(-24 * time.Hour).UTC().Truncate(time.Second),
		NotAfter:    time.UnixMilli(vectorNow).Add(89 * 24 * time.Hour).UTC().Truncate(time.Second),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}

func deviceCertificate() []byte {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: vectorDevice, Organization: []string{"organization_euc_01jd3q0000fw0b9m3cz1n2k4xw"}},
		NotBefore: time.UnixMilli(vectorNow).Add(-time.Hour).UTC().Truncate(time.Second),
		NotAfter:  time.UnixMilli(vectorNow).Add(5 * 365 * 24 * time.Hour).UTC().Truncate(time.Second),
		KeyUsage:  x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		URIs: []*url.URL{{Scheme: "spiffe", Host: "cardea", Path: "/device/" + vectorDevice}},
	}
	return certificate(template, rootTemplate(), deviceKey(), rootKey())
}

func certificate(template, parent *x509.Certificate, key, by fixedKey) []byte {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		panic(err)
	}
	return der
}

func certificateRequest() []byte {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "lock"}}, deviceKey())
	if err != nil {
		panic(err)
	}
	return der
}
