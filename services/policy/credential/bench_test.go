package credential_test

import (
	"encoding/binary"
	"testing"

	"github.com/cardea-mesh/cardea/services/policy/credential"
)

// BenchmarkDigest is what a door computes once or twice at a swipe, under each of its organization's keys.
func BenchmarkDigest(b *testing.B) {
	bits := binary.BigEndian.AppendUint32(nil, 4711)
	b.ReportAllocs()
	for b.Loop() {
		credential.Digest([32]byte{1}, credential.KindCard, credential.FormatWiegand26, 26, bits)
	}
}
