package offline

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// goldenLarge is large.json, as the README beside it describes it.
type goldenLarge struct {
	DeviceID string `json:"device_id"`
	Root     string `json:"root"`
	Steps    []struct {
		Name    string            `json:"name"`
		Now     int64             `json:"now_ms"`
		Restart bool              `json:"restart"`
		Stream  []json.RawMessage `json:"stream"`
		SHA256  string            `json:"stream_sha256"`
		Ack     json.RawMessage   `json:"ack"`
		Held    int               `json:"entries_held"`
	} `json:"steps"`
}

// expand is the README's.
func expand(t *testing.T, pieces []json.RawMessage) (b []byte) {
	t.Helper()
	for _, text := range pieces {
		p := struct {
			Repeat    int     `json:"repeat"`
			Hex       string  `json:"hex"`
			CountFrom *uint32 `json:"count_from"`
		}{Repeat: 1}
		if err := json.Unmarshal(text, &p.Hex); err != nil {
			if err := json.Unmarshal(text, &p); err != nil {
				t.Fatal(err)
			}
		}
		for i := range p.Repeat {
			b = append(b, unhex(t, p.Hex)...)
			if p.CountFrom != nil {
				b = binary.BigEndian.AppendUint32(b, *p.CountFrom+uint32(i))
			}
		}
	}
	return b
}

// TestGoldenLimits has the simulated lock go through large.json, which another implementation of the rules has written.
func TestGoldenLimits(t *testing.T) {
	var golden goldenLarge
	readGolden(t, "large.json", &golden)
	roots := rootsOf(t, golden.Root)
	var h *Holder
	refused, forgot := 0, 0
	for _, s := range golden.Steps {
		if s.Restart {
			h = New(golden.DeviceID, roots)
		}
		stream := expand(t, s.Stream)
		if hash := sha256.Sum256(stream); hex.EncodeToString(hash[:]) != s.SHA256 {
			t.Fatalf("%s: the pieces are other bytes than were meant", s.Name)
		}
		got, want := h.takeFrame(t, stream, time.UnixMilli(s.Now)), new(lockwirev1.BundleAck)
		if err := protojson.Unmarshal(s.Ack, want); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(got, want) {
			t.Errorf("%s: the lock answers %v; the vector %v", s.Name, got, want)
		}
		if held := len(h.heldHashes()); held != s.Held {
			t.Errorf("%s: the lock holds %d entries; in the vector %d", s.Name, held, s.Held)
		}
		if got.GetProblem() == lockwirev1.BundleProblem_BUNDLE_PROBLEM_TOO_LARGE {
			refused++
		}
		if got.GetApplied() && len(got.GetHash()) == 0 {
			forgot++
		}
	}
	if refused != 2 || forgot != 1 {
		t.Errorf("%d refused as too large, %d times all forgotten", refused, forgot)
	}
}
