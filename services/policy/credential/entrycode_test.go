package credential_test

import (
	"encoding/hex"
	"testing"

	"github.com/cardea-mesh/cardea/services/policy/credential"
)

// The vectors were computed by another implementation (Python's hmac), from the comments alone.
func TestAnEntryCodesDigestIsNobodys(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		key          [32]byte
		digits, want string
	}{
		{countingKey(), "24681357", "1eeb7c7b016118c7fa82cae3db077e6d606bd51c2f5c7afea46e1d73619747fc"},
		{countingKey(), "024681", "02d4a7cdba9a1457565d55413815a5806fe2cad503548e333e5a8822459eb4b5"},
		{onesKey(), "024681", "4c65870a481b2c7601fbf612f29933b93cc72d62035da73a8c1573170043566a"},
	} {
		if got := credential.EntryCodeDigest(v.key, v.digits); hex.EncodeToString(got[:]) != v.want {
			t.Errorf("%s: %x, want %s", v.digits, got, v.want)
		}
	}
	if credential.EntryCodeDigest(countingKey(), "024681") == credential.PINDigest(countingKey(), "", "024681") {
		t.Error("an entry code is also a PIN")
	}
}
