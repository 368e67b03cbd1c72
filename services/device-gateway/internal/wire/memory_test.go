package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"testing"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// asking notes the largest piece that a reader has room for and gives what it has, then fails.
type asking struct {
	b       []byte
	largest int
}

func (r *asking) Read(p []byte) (int, error) {
	r.largest = max(r.largest, len(p))
	if len(r.b) == 0 {
		return 0, io.ErrNoProgress
	}
	n := copy(p, r.b)
	r.b = r.b[n:]
	return n, nil
}

// TestALengthAloneClaimsNoMemory: a peer that names the largest length and sends little has little held for it: 4,096 bytes,
// or twice of what it sent.
func TestALengthAloneClaimsNoMemory(t *testing.T) {
	for _, sent := range []int{0, 1, 4096, 4097, 10_000, 40_000} {
		frame := binary.BigEndian.AppendUint32(nil, MaxLength)
		frame = append(frame, Version, byte(lockwirev1.FrameType_FRAME_TYPE_ENROLL_REQUEST))
		r := &asking{b: append(frame, make([]byte, sent)...)}
		if _, err := NewReader(r, Limits{}).Next(); !errors.Is(err, io.ErrNoProgress) {
			t.Fatalf("%d sent: %v", sent, err)
		}
		if most := max(bodyStep, sent); r.largest > most {
			t.Errorf("%d sent: room for %d more was made", sent, r.largest)
		}
	}
}

// TestALengthAboveTheReadersIsRefusedUnread: nothing of the body is asked for.
func TestALengthAboveTheReadersIsRefusedUnread(t *testing.T) {
	r := &asking{b: binary.BigEndian.AppendUint32(nil, 8193)}
	_, err := NewReader(r, Limits{Length: 8192}).Next()
	if e := (*ProtocolError)(nil); !errors.As(err, &e) || e.Code != lockwirev1.ErrorCode_ERROR_CODE_MALFORMED || r.largest > lengthSize {
		t.Fatalf("%v, asked for %d", err, r.largest)
	}
}

// TestPartsAloneClaimNoMemory: the number of parts says nothing about memory, only what came counts.
func TestPartsAloneClaimNoMemory(t *testing.T) {
	j := joiner{max: JoinedToGateway}
	first := &lockwirev1.Part{
		MessageId: 1, Type: uint32(lockwirev1.FrameType_FRAME_TYPE_EVENT_BATCH), Parts: MaxParts, Body: make([]byte, 100), Sha256: make([]byte, 32),
	}
	if _, _, err := j.add(first); err != nil {
		t.Fatal(err)
	}
	if cap(j.body) > 1000 {
		t.Errorf("%d bytes are held for 100", cap(j.body))
	}
}

// TestEmptyElementsAreCountedBeforeTheyAreDecoded: 65,000 bytes must not become megabytes.
func TestEmptyElementsAreCountedBeforeTheyAreDecoded(t *testing.T) {
	for kind, name := range map[lockwirev1.FrameType]string{
		lockwirev1.FrameType_FRAME_TYPE_EVENT_BATCH: "events",
		lockwirev1.FrameType_FRAME_TYPE_HELLO:       "capabilities",
	} {
		f := Frame{Type: kind, Body: bytes.Repeat([]byte{0x22, 0x00}, 30_000)}
		var e *ProtocolError
		if err := countRepeated(f); !errors.As(err, &e) || e.Code != lockwirev1.ErrorCode_ERROR_CODE_MALFORMED {
			t.Errorf("%s: %v", name, err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := decode(f, nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
		runtime.ReadMemStats(&after)
		allocated := after.TotalAlloc - before.TotalAlloc
		if allocated > 1<<16 {
			t.Errorf("%s: refusing them took %d bytes", name, allocated)
		}
	}
}
