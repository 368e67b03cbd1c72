package locksim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/policy/credential"
)

func TestWhatIsPresentedInWords(t *testing.T) {
	for _, c := range []struct {
		text   string
		format lockwirev1.CardFormat
		bits   string
		pin    string
	}{
		{"17-4711", lockwirev1.CardFormat_CARD_FORMAT_WIEGAND26, "888933c0", ""},
		{"26:17-4711", lockwirev1.CardFormat_CARD_FORMAT_WIEGAND26, "888933c0", ""},
		{"26:17-4711+0427", lockwirev1.CardFormat_CARD_FORMAT_WIEGAND26, "888933c0", "0427"},
		{"34:17-4711", lockwirev1.CardFormat_CARD_FORMAT_WIEGAND34, "0008893380", ""},
		{"37:17-4711", lockwirev1.CardFormat_CARD_FORMAT_WIEGAND37, "0008812670", ""},
		{"uid:04a1b2c3d4e5f6", lockwirev1.CardFormat_CARD_FORMAT_UID, "04a1b2c3d4e5f6", ""},
		{"uid:04A1B2C3+1", lockwirev1.CardFormat_CARD_FORMAT_UID, "04a1b2c3", "1"},
		{"00000001000000100000001100000100", lockwirev1.CardFormat_CARD_FORMAT_UID, "01020304", ""},
		{"code:024681", 0, "", "024681"},
	} {
		p, err := ParsePresented(c.text)
		if err != nil || p.Card.GetFormat() != c.format || hex.EncodeToString(p.Card.GetBits()) != c.bits || p.PIN != c.pin || p.Key != nil {
			t.Errorf("%q: %v, %v", c.text, p.Card, err)
		}
	}
	for _, bad := range []string{
		"", "17", "17-", "256-1", "1-65536", "26:x-1", "34:65536-1", "37:1-524288", "37:1", "uid:", "uid:04a1b2", "uid:zz", "40:1-1",
		"code:", "code:12a4", "code:1234567890123", "17-4711+", "17-4711+x", "key:/does/not/exist", "mag:1-1",
	} {
		if p, err := ParsePresented(bad); err == nil {
			t.Errorf("%q is taken as %v", bad, p.Card)
		}
	}
}

func TestAPhonesKeyFromAFile(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err1 := x509.MarshalPKCS8PrivateKey(private)
	sec1, err2 := x509.MarshalECPrivateKey(private)
	large, err3 := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	other, err4 := x509.MarshalPKCS8PrivateKey(large)
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
		t.Fatal(err1, err2, err3, err4)
	}
	file := func(kind string, der []byte) string {
		path := filepath.Join(t.TempDir(), "phone.pem")
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	nonce := make([]byte, nonceSize)
	for _, c := range []struct{ text, scheme string }{
		{"key:" + file("PRIVATE KEY", pkcs8), credential.SchemeMobile},
		{"pkoc:" + file("EC PRIVATE KEY", sec1) + "+0427", credential.SchemePKOC},
	} {
		p, err := ParsePresented(c.text)
		if err != nil {
			t.Fatal(err)
		}
		proof, err := p.Key.Answer("device_euc_1", nonce)
		if err != nil || !credential.VerifyProof(c.scheme, p.Key.PublicKey(), nonce, proof.GetSignature(), "device_euc_1") {
			t.Errorf("%s: %v, %v", c.text, proof, err)
		}
	}
	for name, path := range map[string]string{"another curve": file("PRIVATE KEY", other), "no key": file("CERTIFICATE", pkcs8), "no DER": file("PRIVATE KEY", nil)} {
		if _, err := ParsePresented("key:" + path); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
