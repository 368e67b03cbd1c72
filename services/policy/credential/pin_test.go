package credential_test

import (
	"encoding/hex"
	"testing"

	"github.com/cardea-mesh/cardea/services/policy/credential"
)

// The vector was computed by another implementation (Python's hmac), from the comments alone.
func TestAPINsDigestIsItsPersons(t *testing.T) {
	t.Parallel()
	key := countingKey()
	got := credential.PINDigest(key, "person_euc_1", "0427")
	if hex.EncodeToString(got[:]) != "0e45d30ca60b64f478a8aac45197d3a36c2891c3826551c7f6a06b6c027c5c24" {
		t.Fatalf("%x", got)
	}
	for name, other := range map[string][32]byte{
		"another person":  credential.PINDigest(key, "person_euc_2", "0427"),
		"other digits":    credential.PINDigest(key, "person_euc_1", "427"),
		"moved digits":    credential.PINDigest(key, "person_euc_10", "427"),
		"another key":     credential.PINDigest(onesKey(), "person_euc_1", "0427"),
		"a card's number": credential.Digest(key, credential.KindCard, credential.FormatPIN, 136, []byte("person_euc_1\x000427")),
	} {
		if other == got {
			t.Errorf("%s: the same digest", name)
		}
	}
}
