package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"testing"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

// fuzzJoined is the joined limit of the fuzzed readers, in bytes.
const fuzzJoined = 1 << 17

// FuzzFrame: whatever comes, the reader ends with messages that can be written again, a known error, or the end.
func FuzzFrame(f *testing.F) {
	for _, v := range streamVectors() {
		f.Add(v.stream)
	}
	var messages []goldenMessage
	readGolden(f, "messages.json", &messages)
	for _, g := range messages {
		f.Add([]byte(g.Frame))
	}
	f.Add(frameOf(f, bigBatch(70)))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b), Limits{Joined: fuzzJoined})
		for {
			m, err := r.Next()
			if err != nil {
				if e := (*ProtocolError)(nil); !errors.As(err, &e) && err != io.EOF && err != io.ErrUnexpectedEOF {
					t.Fatalf("an error of no known kind: %v", err)
				}
				return
			}
			comesBack(t, m)
		}
	})
}

// FuzzMessage: any body of any type is a message within its limits, which comes back as it is, or refused with a code that
// its sender can be told.
func FuzzMessage(f *testing.F) {
	for _, v := range vectors() {
		f.Add(byte(TypeOf(v.m)), serialized(v.m))
	}
	for _, c := range limitCases() {
		if proto.Size(c.m) <= MaxBody {
			f.Add(byte(TypeOf(c.m)), serialized(c.m))
		}
	}
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		m, err := decode(Frame{Type: lockwirev1.FrameType(kind), Body: body}, nil)
		if err != nil {
			if name := errorName(err); name != "MALFORMED" && name != "UNKNOWN_TYPE" {
				t.Fatalf("type %d: %v", kind, err)
			}
			var e *ProtocolError
			errors.As(err, &e)
			comesBack(t, e.Message())
			return
		}
		if m == nil && kind&mustUnderstand != 0 {
			t.Fatalf("type %d was skipped", kind)
		}
		if m != nil {
			comesBack(t, m)
		}
	})
}

// comesBack writes a message and reads it again.
func comesBack(t *testing.T, m proto.Message) {
	t.Helper()
	var again bytes.Buffer
	if err := NewWriter(&again).Write(m); err != nil {
		t.Fatalf("%T was read and cannot be written: %v", m, err)
	}
	back, err := NewReader(&again, Limits{Joined: JoinedToLock}).Next()
	if err != nil || !proto.Equal(back, m) {
		t.Fatalf("%T came back changed: %v", m, err)
	}
}

// FuzzParts: three parts of any shape, with a frame between, never panic, are never held above the limit, and give a body
// only when it has its hash.
func FuzzParts(f *testing.F) {
	body := hashOf([]byte("x"))
	for _, p := range goldenParts() {
		f.Add(p.GetMessageId(), p.GetType(), p.GetPart(), p.GetParts(), p.GetBody(), p.GetSha256())
	}
	f.Add(uint64(1), uint32(134), uint32(0), uint32(1), body, hashOf(body))
	f.Add(uint64(0), uint32(140), uint32(300), uint32(256), []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, id uint64, kind, part, parts uint32, body, hash []byte) {
		j := joiner{max: 1000}
		for i := range uint32(3) {
			p := &lockwirev1.Part{MessageId: id, Type: kind, Part: part + i, Parts: parts, Body: body, Sha256: hash}
			if Check(p) != nil {
				return
			}
			whole, done, err := j.add(p)
			if err != nil {
				return
			}
			if len(j.body) > j.max {
				t.Fatalf("holds %d bytes", len(j.body))
			}
			if done && !bytes.Equal(hashOf(whole.Body), hash) {
				t.Fatalf("a body with another hash than %s", hex.EncodeToString(hash))
			}
		}
	})
}
