package wire

import (
	"bytes"
	"errors"
	"io"
	"testing"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

// split is a message's parts, as message 1.
func split(t *testing.T, m proto.Message) []*lockwirev1.Part {
	t.Helper()
	p, err := NewWriter(io.Discard).Begin(m)
	if err != nil {
		t.Fatal(err)
	}
	p.id, p.sha256 = 1, hashOf(p.whole[headerSize:])
	parts := make([]*lockwirev1.Part, p.parts)
	for i := range parts {
		parts[i] = p.part(i)
	}
	return parts
}

func bundle(signed int) *lockwirev1.Bundle {
	return &lockwirev1.Bundle{
		Version: 1, Signed: bytes.Repeat([]byte{7}, signed), Signature: []byte{1}, SignerChain: [][]byte{{2}},
	}
}

// TestUrgentFramesOvertakeABundle writes a Ping and Revocations between the parts of a Bundle of the largest size.
func TestUrgentFramesOvertakeABundle(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b)
	whole := bundle(MaxBundle)
	pieces, err := w.Begin(whole)
	if err != nil {
		t.Fatal(err)
	}
	revocations := &lockwirev1.Revocations{Version: 2, Signed: []byte{1}, Signature: []byte{1}, SignerChain: [][]byte{{2}}}
	frames := 0
	for done := false; !done; frames++ {
		if done, err = pieces.Next(); err != nil {
			t.Fatal(err)
		}
		if frames == 0 {
			if err := w.Write(revocations); err != nil {
				t.Fatal(err)
			}
		}
	}
	if frames != 65 {
		t.Errorf("%d frames", frames)
	}
	r := NewReader(&b, Limits{Joined: JoinedToLock})
	for _, want := range []proto.Message{revocations, whole} {
		if got, err := r.Next(); err != nil || !proto.Equal(got, want) {
			t.Fatalf("%T: %v", got, err)
		}
	}
}

func TestTwoMessagesInPartsDoNotMix(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b)
	first, err := w.Begin(bundle(100_000))
	if err != nil {
		t.Fatal(err)
	}
	if done, err := first.Next(); done || err != nil {
		t.Fatal(done, err)
	}
	if err := w.Write(bundle(100_000)); !errors.Is(err, ErrPartsUnderWay) {
		t.Fatalf("a second message in parts began: %v", err)
	}
	if done, err := first.Next(); !done || err != nil {
		t.Fatal(done, err)
	}
	if err := w.Write(bundle(100_001)); err != nil {
		t.Fatal(err)
	}
	r := NewReader(&b, Limits{Joined: JoinedToLock})
	for _, want := range []int{100_000, 100_001} {
		m, err := r.Next()
		if got, ok := m.(*lockwirev1.Bundle); err != nil || !ok || len(got.GetSigned()) != want {
			t.Fatalf("%T: %v", m, err)
		}
	}
}

// TestTheLargestRevocationsFitAFrame: they may come between the parts of a Bundle only because they need none.
func TestTheLargestRevocationsFitAFrame(t *testing.T) {
	content := &lockwirev1.RevocationsContent{DeviceId: string(bytes.Repeat([]byte{'d'}, maxName)), Version: maxCount, All: true}
	for range 2000 {
		content.Removed = append(content.Removed, make([]byte, 16))
	}
	if n := proto.Size(content); n > MaxRevocations {
		t.Errorf("2,000 hashes are %d bytes", n)
	}
	m := &lockwirev1.Revocations{Version: maxCount, Signed: make([]byte, MaxRevocations), Signature: make([]byte, maxSignature)}
	for range maxCertificates {
		m.SignerChain = append(m.SignerChain, make([]byte, maxCertificate))
	}
	if n := proto.Size(m); n > MaxBody {
		t.Errorf("%d bytes do not fit a frame of %d", n, MaxBody)
	}
	if err := Check(m); err != nil {
		t.Error(err)
	}
}

// TestTheLargestBundleFitsItsLimit: what Check allows, a lock's Reader takes.
func TestTheLargestBundleFitsItsLimit(t *testing.T) {
	m := bundle(MaxBundle)
	m.Signature, m.SignerChain = make([]byte, maxSignature), [][]byte{make([]byte, maxCertificate), make([]byte, maxCertificate)}
	if n := proto.Size(m); n > JoinedToLock || n > MaxParts*maxPartBody {
		t.Errorf("%d bytes", n)
	}
}
