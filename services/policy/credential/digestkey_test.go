package credential_test

import (
	"bytes"
	"testing"

	"github.com/cardea-mesh/cardea/services/policy/credential"
)

func TestTheContextOfADigestKeyNamesItsOrganizationAndID(t *testing.T) {
	t.Parallel()
	want := []byte("\x00\x00\x00\x0ddigest_key/v1\x00\x00\x00\x03org\x00\x00\x00\x02k1")
	if got := credential.DigestKeyContext("org", "k1"); !bytes.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	if bytes.Equal(credential.DigestKeyContext("or", "gk1"), want) {
		t.Fatal("a byte that moves between the parts must change the context")
	}
}
