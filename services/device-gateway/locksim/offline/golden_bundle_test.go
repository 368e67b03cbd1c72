package offline

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// goldenLife is bundles.json, as the README beside it describes it.
type goldenLife struct {
	DeviceID string `json:"device_id"`
	Root     string `json:"root"`
	Steps    []struct {
		Name    string          `json:"name"`
		Now     int64           `json:"now_ms"`
		Restart bool            `json:"restart"`
		Frame   string          `json:"frame"`
		Ack     json.RawMessage `json:"ack"`
		Entries []string        `json:"entries"`
	} `json:"steps"`
}

// TestGoldenBundles has the simulated lock go through bundles.json, which another implementation of the rules has written.
func TestGoldenBundles(t *testing.T) {
	var golden goldenLife
	readGolden(t, "bundles.json", &golden)
	roots := rootsOf(t, golden.Root)
	h := New(golden.DeviceID, roots)
	for _, s := range golden.Steps {
		if s.Restart {
			h = New(golden.DeviceID, roots)
		}
		got, want := h.takeFrame(t, unhex(t, s.Frame), time.UnixMilli(s.Now)), new(lockwirev1.BundleAck)
		if err := protojson.Unmarshal(s.Ack, want); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(got, want) {
			t.Errorf("%s: the lock answers %v; the vector %v", s.Name, got, want)
		}
		if held := h.heldHashes(); !slices.Equal(held, s.Entries) {
			t.Errorf("%s: the lock holds %v; in the vector %v", s.Name, held, s.Entries)
		}
	}
}

// readGolden reads a file of vectors.
func readGolden(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile("../../../../proto/cardea/lockwire/v1/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

// rootsOf has the one root certificate of a file, in hexadecimal.
func rootsOf(t *testing.T, certificate string) *x509.CertPool {
	t.Helper()
	root, err := x509.ParseCertificate(unhex(t, certificate))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	return roots
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (h *Holder) takeFrame(t *testing.T, frame []byte, now time.Time) *lockwirev1.BundleAck {
	t.Helper()
	m, err := wire.NewReader(bytes.NewReader(frame), wire.Limits{Joined: wire.JoinedToLock}).Next()
	if err != nil {
		t.Fatal(err)
	}
	if bundle, ok := m.(*lockwirev1.Bundle); ok {
		return h.Apply(bundle, now)
	}
	return h.Revoke(m.(*lockwirev1.Revocations), now)
}

// heldHashes are those of the entries that have bytes, in rising order.
func (h *Holder) heldHashes() []string {
	held := []string{}
	for hash, entry := range h.content.entries {
		if entry != nil {
			held = append(held, hex.EncodeToString(hash[:]))
		}
	}
	slices.Sort(held)
	return held
}
