package credential_test

import (
	"bytes"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/cardea-mesh/cardea/services/policy/credential"
)

// The vectors were computed by another implementation (Python's cryptography, deterministic ECDSA), from the comments alone.
const (
	prover = "04bd7c73b88b2e9b4ceda62022b2da8be13193a5b56edc26e7df7842e24cd0b5eb" +
		"0605ada7bda83ac6a2b80d7e314040fa47ff16b83bac85cedb014451bb7ce71a"
	provedNonce  = "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"
	provedDevice = "device_euc_01kb0000000000000000000000"

	pkocLowS = "6ecd90bed0ce2f348ee9e0a82dbbc1ce3b4685b4045362fd8a2e5023afe94ace" +
		"35abdf2682cdfbaf528326f3f0c58e80cde1c3e1f2d5e6043df06786dedb2a30"
	pkocHighS = "6ecd90bed0ce2f348ee9e0a82dbbc1ce3b4685b4045362fd8a2e5023afe94ace" +
		"ca5420d87d320451ad7cd90c0f3a717eef0536cbb441b880b5c9633c1d87fb21"
	mobileLowS = "86313e5da0f59ca217aab520001468a255e49a16139f68d836dd6f08dcb3f976" +
		"62836158c12d7314be978aa07174d34c0aa563aa94be47dc40c0e2aeb4b6f1f2"
	mobileHighS = "86313e5da0f59ca217aab520001468a255e49a16139f68d836dd6f08dcb3f976" +
		"9d7c9ea63ed28cec4168755f8e8b2cb3b2419703125956a8b2f8e81447ac335f"
)

func TestProofVectors(t *testing.T) {
	t.Parallel()
	const elsewhere = "device_euc_01kb0000000000000000000001"
	for name, v := range map[string]struct {
		scheme, key, nonce, signature, device string
		want                                  bool
	}{
		"pkoc":                             {"pkoc", prover, provedNonce, pkocLowS, provedDevice, true},
		"pkoc, the other s":                {"pkoc", prover, provedNonce, pkocHighS, provedDevice, true},
		"pkoc names no device":             {"pkoc", prover, provedNonce, pkocLowS, elsewhere, true},
		"mobile":                           {"mobile", prover, provedNonce, mobileLowS, provedDevice, true},
		"mobile, the other s":              {"mobile", prover, provedNonce, mobileHighS, provedDevice, true},
		"mobile for another device":        {"mobile", prover, provedNonce, mobileLowS, elsewhere, false},
		"mobile shown as pkoc":             {"pkoc", prover, provedNonce, mobileLowS, provedDevice, false},
		"pkoc shown as mobile":             {"mobile", prover, provedNonce, pkocLowS, provedDevice, false},
		"an unknown scheme":                {"", prover, provedNonce, pkocLowS, provedDevice, false},
		"another key":                      {"pkoc", generator, provedNonce, pkocLowS, provedDevice, false},
		"no key":                           {"pkoc", "", provedNonce, pkocLowS, provedDevice, false},
		"a compressed key":                 {"pkoc", "02" + prover[2:66], provedNonce, pkocLowS, provedDevice, false},
		"a key off the curve":              {"pkoc", prover[:128] + "1b", provedNonce, pkocLowS, provedDevice, false},
		"another nonce":                    {"pkoc", prover, provedNonce[:62] + "5e", pkocLowS, provedDevice, false},
		"a shorter nonce":                  {"pkoc", prover, provedNonce[:32], pkocLowS, provedDevice, false},
		"another signature":                {"pkoc", prover, provedNonce, pkocLowS[:126] + "31", provedDevice, false},
		"a byte too few":                   {"pkoc", prover, provedNonce, pkocLowS[:126], provedDevice, false},
		"a byte too many":                  {"pkoc", prover, provedNonce, pkocLowS + "00", provedDevice, false},
		"no signature":                     {"pkoc", prover, provedNonce, "", provedDevice, false},
		"nothing but zeros as a signature": {"pkoc", prover, provedNonce, hex.EncodeToString(make([]byte, 64)), provedDevice, false},
	} {
		got := credential.VerifyProof(v.scheme, unhex(t, v.key), unhex(t, v.nonce), unhex(t, v.signature), v.device)
		if got != v.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestTheMessageOfAMobileKeyNamesTheDevice(t *testing.T) {
	t.Parallel()
	nonce := unhex(t, provedNonce)
	want := slices.Concat([]byte("cardea-mobile-key/1\x00"+provedDevice+"\x00"), nonce)
	if got := credential.ProofMessage(credential.SchemeMobile, provedDevice, nonce); !bytes.Equal(got, want) {
		t.Errorf("%q", got)
	}
	for _, length := range []int{0, credential.MinNonce - 1, credential.MaxNonce + 1} {
		for _, scheme := range []string{credential.SchemePKOC, credential.SchemeMobile} {
			if credential.ProofMessage(scheme, provedDevice, make([]byte, length)) != nil {
				t.Errorf("%s takes a nonce of %d bytes", scheme, length)
			}
		}
	}
}

func FuzzVerifyProofNeverPanics(f *testing.F) {
	f.Add("pkoc", []byte{4}, make([]byte, 16), make([]byte, 64), "device")
	f.Fuzz(func(t *testing.T, scheme string, key, nonce, signature []byte, device string) {
		if credential.VerifyProof(scheme, key, nonce, signature, device) {
			t.Fatal("a proof out of thin air")
		}
	})
}
