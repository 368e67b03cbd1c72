package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

func read(t *testing.T, b []byte, limits Limits) (proto.Message, error) {
	t.Helper()
	return NewReader(bytes.NewReader(b), limits).Next()
}

func TestEveryMessageSurvivesTheWire(t *testing.T) {
	for _, v := range vectors() {
		var frame bytes.Buffer
		if err := NewWriter(&frame).Write(v.m); err != nil {
			t.Fatalf("%s: %v", v.title, err)
		}
		got, err := read(t, frame.Bytes(), Limits{})
		if err != nil || !proto.Equal(got, v.m) {
			t.Errorf("%s: %v, %v", v.title, got, err)
		}
	}
}

// TestGoldenBytes pins the bytes of two frames by hand, apart from the page's dumps.
func TestGoldenBytes(t *testing.T) {
	for _, c := range []struct {
		hex string
		m   proto.Message
	}{
		{"00000004" + "01" + "01" + "0807", &lockwirev1.Ping{Nonce: 7}},
		{"00000002" + "01" + "01", &lockwirev1.Ping{}},
		{"00000006" + "01" + "87" + "10031802", &lockwirev1.EventAck{BootEpoch: 3, ReceivedUpTo: 2}},
	} {
		var frame bytes.Buffer
		if err := NewWriter(&frame).Write(c.m); err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(frame.Bytes()); got != c.hex {
			t.Errorf("%T: %s, want %s", c.m, got, c.hex)
		}
	}
}

func TestEachBadFrameHasItsCode(t *testing.T) {
	const (
		malformed   = lockwirev1.ErrorCode_ERROR_CODE_MALFORMED
		version     = lockwirev1.ErrorCode_ERROR_CODE_UNSUPPORTED_VERSION
		unknownType = lockwirev1.ErrorCode_ERROR_CODE_UNKNOWN_TYPE
	)
	for _, c := range []struct {
		name, hex string
		code      lockwirev1.ErrorCode
		text      string
	}{
		{"length 0", "00000000", malformed, "length 0"},
		{"length 1", "0000000101", malformed, "length 1"},
		{"length 65537", "00010001", malformed, "length 65537"},
		{"length of 4 GiB", "ffffffff", malformed, "length 4294967295"},
		{"version 0", "000000020001", version, "version 0"},
		{"version 2", "000000020201", version, "version 2"},
		{"unknown type that must be understood", "0000000201ff", unknownType, "type 255"},
		{"body that is no message", "000000040182ffff", malformed, "HELLO"},
		{"Hello without a device", "00000002" + "0182", malformed, "boot_epoch"},
		{"EventBatch without events", "00000008" + "0186" + "080110011801", malformed, "number of events"},
		{"part without a hash", "0000000a" + "018c" + "0801108601" + "2001" + "2a", malformed, "PART"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := hex.DecodeString(c.hex)
			if err != nil {
				t.Fatal(err)
			}
			_, err = read(t, b, Limits{})
			var e *ProtocolError
			if !errors.As(err, &e) || e.Code != c.code || !strings.Contains(e.Text, c.text) {
				t.Fatalf("got %v; want %s naming %q", err, c.code, c.text)
			}
		})
	}
}

func TestTypesThatMayBeSkippedAreSkipped(t *testing.T) {
	b, _ := hex.DecodeString("00000005" + "01" + "7f" + "aabbcc" + "00000004" + "01" + "01" + "0807")
	m, err := read(t, b, Limits{})
	if ping, ok := m.(*lockwirev1.Ping); err != nil || !ok || ping.GetNonce() != 7 {
		t.Fatalf("got %v, %v", m, err)
	}
}

func TestAnEndInsideAFrameIsNotAnEnd(t *testing.T) {
	whole, _ := hex.DecodeString("00000004" + "01" + "01" + "0807")
	for n := range whole {
		_, err := read(t, whole[:n], Limits{})
		want := io.ErrUnexpectedEOF
		if n == 0 {
			want = io.EOF
		}
		if !errors.Is(err, want) {
			t.Errorf("%d bytes: %v, want %v", n, err, want)
		}
	}
}

func bigBatch(receipts int) *lockwirev1.EventBatch {
	batch := &lockwirev1.EventBatch{RequestId: 1, BootEpoch: 1, FirstSequence: 1}
	for i := range receipts {
		batch.Events = append(batch.Events, &lockwirev1.Event{
			Kind: lockwirev1.EventKind_EVENT_KIND_ACCESS, Receipt: bytes.Repeat([]byte{byte(i)}, 1024),
		})
	}
	return batch
}

func TestLargeMessagesTravelInParts(t *testing.T) {
	batch := bigBatch(MaxBatch)
	var b bytes.Buffer
	if err := NewWriter(&b).Write(batch); err != nil {
		t.Fatal(err)
	}
	got, err := read(t, b.Bytes(), Limits{Joined: 1 << 19})
	if err != nil || !proto.Equal(got, batch) {
		t.Fatalf("%v", err)
	}
	_, err = read(t, b.Bytes(), Limits{Joined: 100_000})
	if e := (*ProtocolError)(nil); !errors.As(err, &e) || e.Code != lockwirev1.ErrorCode_ERROR_CODE_MALFORMED {
		t.Fatalf("a message above the limit: %v", err)
	}
}

func TestPartsOutOfLineAreRefused(t *testing.T) {
	batch := bigBatch(200)
	for name, spoil := range map[string]func([]*lockwirev1.Part) []*lockwirev1.Part{
		"swapped":         func(p []*lockwirev1.Part) []*lockwirev1.Part { p[0], p[1] = p[1], p[0]; return p },
		"missing":         func(p []*lockwirev1.Part) []*lockwirev1.Part { return append(p[:1], p[2:]...) },
		"twice":           func(p []*lockwirev1.Part) []*lockwirev1.Part { return append(p[:1], p...) },
		"another message": func(p []*lockwirev1.Part) []*lockwirev1.Part { p[1].MessageId++; return p },
		"another type":    func(p []*lockwirev1.Part) []*lockwirev1.Part { p[1].Type = 1; return p },
		"another count":   func(p []*lockwirev1.Part) []*lockwirev1.Part { p[1].Parts++; return p },
		"another hash": func(p []*lockwirev1.Part) []*lockwirev1.Part {
			p[1].Sha256 = bytes.Repeat([]byte{1}, 32)
			return p
		},
		"changed body": func(p []*lockwirev1.Part) []*lockwirev1.Part {
			p[1].Body = append([]byte{p[1].Body[0] ^ 1}, p[1].Body[1:]...)
			return p
		},
		"part of parts": func(p []*lockwirev1.Part) []*lockwirev1.Part { p[0].Type = 140; return p },
	} {
		t.Run(name, func(t *testing.T) {
			j := joiner{max: 1 << 20}
			for _, p := range spoil(split(t, batch)) {
				_, done, err := j.add(p)
				if e := (*ProtocolError)(nil); errors.As(err, &e) {
					return
				}
				if err != nil || done {
					t.Fatalf("accepted: done %v, %v", done, err)
				}
			}
			t.Fatal("accepted in silence")
		})
	}
}

func TestAMessageIDIsNotUsedTwice(t *testing.T) {
	j := joiner{max: 1 << 20}
	parts := split(t, bigBatch(100))
	for _, p := range parts {
		if _, _, err := j.add(p); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := j.add(parts[0]); err == nil {
		t.Fatal("accepted again")
	}
}

func TestAnyCutOfTheStreamGivesTheSameMessages(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b)
	for _, v := range vectors() {
		if err := w.Write(v.m); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 50).Draw(t, "bytes at a time")
		r := NewReader(&trickle{b: b.Bytes(), size: size}, Limits{})
		for _, v := range vectors() {
			m, err := r.Next()
			if err != nil || !proto.Equal(m, v.m) {
				t.Fatalf("%s: %v, %v", v.title, m, err)
			}
		}
	})
}

// trickle gives a few bytes at a time.
type trickle struct {
	b    []byte
	size int
}

func (r *trickle) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.size)], r.b)
	r.b = r.b[n:]
	return n, nil
}

func TestErrorTextsAreBoundedASCII(t *testing.T) {
	m := (&ProtocolError{Text: strings.Repeat("é\n", 500)}).Message()
	if err := Check(m); err != nil || strings.ContainsAny(m.GetText(), "\né") {
		t.Fatalf("%v, %q", err, m.GetText())
	}
}
