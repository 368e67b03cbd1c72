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

// FuzzReader: whatever comes, the reader ends with a message that can be written again, a known error, or the end.
func FuzzReader(f *testing.F) {
	for _, v := range vectors() {
		var frame bytes.Buffer
		if err := NewWriter(&frame).Write(v.m); err != nil {
			f.Fatal(err)
		}
		f.Add(frame.Bytes())
	}
	for _, s := range []string{"00000000", "0000000101", "00010001", "ffffffff", "0000000202ff", "0000000201ff", "00000003017f00", "000000040182ffff"} {
		b, _ := hex.DecodeString(s)
		f.Add(b)
	}
	var parts bytes.Buffer
	if err := NewWriter(&parts).Write(bigBatch(70)); err != nil {
		f.Fatal(err)
	}
	f.Add(parts.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b), Limits{Joined: 1 << 17})
		for {
			m, err := r.Next()
			if err != nil {
				if e := (*ProtocolError)(nil); !errors.As(err, &e) && err != io.EOF && err != io.ErrUnexpectedEOF {
					t.Fatalf("an error of no known kind: %v", err)
				}
				return
			}
			var again bytes.Buffer
			if err := NewWriter(&again).Write(m); err != nil {
				t.Fatalf("%T was read and cannot be written: %v", m, err)
			}
			back, err := NewReader(&again, Limits{Joined: 1 << 19}).Next()
			if err != nil || !proto.Equal(back, m) {
				t.Fatalf("%T came back changed: %v", m, err)
			}
		}
	})
}

// FuzzParts: parts in any order and shape never panic, never pass the limit.
func FuzzParts(f *testing.F) {
	f.Add(uint64(1), uint32(134), uint32(0), uint32(2), []byte("abc"))
	f.Add(uint64(0), uint32(140), uint32(300), uint32(256), []byte{})
	f.Fuzz(func(t *testing.T, id uint64, kind, part, parts uint32, body []byte) {
		j := joiner{max: 1000}
		hash := bytes.Repeat([]byte{7}, 32)
		for i := range uint32(3) {
			p := &lockwirev1.Part{MessageId: id, Type: kind, Part: part + i, Parts: parts, Body: body, Sha256: hash}
			if Check(p) != nil {
				return
			}
			if _, _, err := j.add(p); err != nil {
				return
			}
			if len(j.body) > j.max {
				t.Fatalf("holds %d bytes", len(j.body))
			}
		}
	})
}
