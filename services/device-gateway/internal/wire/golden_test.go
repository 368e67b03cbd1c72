package wire

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// goldenDir has the vectors; its README.md describes the files.
const goldenDir = "../../../../proto/cardea/lockwire/v1/testdata"

// hexBytes are bytes in a golden file.
type hexBytes []byte

func (b hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(b)), nil }

func (b *hexBytes) UnmarshalText(text []byte) (err error) {
	*b, err = hex.DecodeString(string(text))
	return err
}

// goldenMessage is one message of messages.json.
type goldenMessage struct {
	Name    string          `json:"name"`
	Title   string          `json:"title"`
	Type    int             `json:"type"`
	Message string          `json:"message"`
	Frame   hexBytes        `json:"frame"`
	Fields  json.RawMessage `json:"fields"`
}

// readGolden reads a file into v.
func readGolden(t testing.TB, name string, v any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(goldenDir, name))
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// holdGolden compares a file with what the code makes, or writes it with -update.
func holdGolden(t *testing.T, name string, v any) {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(goldenDir, name)
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(old, b.Bytes()) {
		t.Fatalf("%s is not what the code makes: if the change is meant, run with -update and read the difference", name)
	}
}

// fieldsOf is a message in protobuf's JSON mapping, with the names of the .proto. protojson varies its spaces on purpose.
func fieldsOf(t *testing.T, m proto.Message) json.RawMessage {
	t.Helper()
	b, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var plain any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&plain); err != nil {
		t.Fatal(err)
	}
	if b, err = json.Marshal(plain); err != nil {
		t.Fatal(err)
	}
	return b
}

func frameOf(t testing.TB, m proto.Message) []byte {
	t.Helper()
	var frame bytes.Buffer
	if err := NewWriter(&frame).Write(m); err != nil {
		t.Fatal(err)
	}
	return frame.Bytes()
}

func messageName(m proto.Message) string { return string(m.ProtoReflect().Descriptor().Name()) }

// TestGoldenMessagesAreWhatTheCodeWrites holds messages.json to the vectors.
func TestGoldenMessagesAreWhatTheCodeWrites(t *testing.T) {
	var file []goldenMessage
	for _, v := range vectors() {
		file = append(file, goldenMessage{
			Name: v.name, Title: v.title, Type: int(TypeOf(v.m)), Message: messageName(v.m), Frame: frameOf(t, v.m), Fields: fieldsOf(t, v.m),
		})
	}
	holdGolden(t, "messages.json", file)
}

// TestGoldenMessagesBothWays reads messages.json as another language would: bytes to fields and fields to bytes.
func TestGoldenMessagesBothWays(t *testing.T) {
	var file []goldenMessage
	readGolden(t, "messages.json", &file)
	seen := map[string]bool{}
	kinds := map[lockwirev1.FrameType]bool{}
	for _, g := range file {
		if seen[g.Name] {
			t.Errorf("%s comes twice", g.Name)
		}
		seen[g.Name] = true
		kinds[lockwirev1.FrameType(g.Type)] = true
		want := newMessage(lockwirev1.FrameType(g.Type))
		if want == nil || messageName(want) != g.Message {
			t.Fatalf("%s: type %d is no %s", g.Name, g.Type, g.Message)
		}
		if err := protojson.Unmarshal(g.Fields, want); err != nil {
			t.Fatalf("%s: %v", g.Name, err)
		}
		got, err := read(t, g.Frame, Limits{})
		if err != nil || !proto.Equal(got, want) {
			t.Errorf("%s: %v, %v", g.Name, got, err)
		}
		if again := frameOf(t, want); !bytes.Equal(again, g.Frame) {
			t.Errorf("%s: written as %x", g.Name, again)
		}
	}
	for number, name := range lockwirev1.FrameType_name {
		kind := lockwirev1.FrameType(number)
		if newMessage(kind) != nil && kind != lockwirev1.FrameType_FRAME_TYPE_PART && !kinds[kind] {
			t.Errorf("%s has no vector", name)
		}
	}
}

// TestGoldenMessagesUseEveryField: a field or enum value that no vector has is one that nobody tests.
func TestGoldenMessagesUseEveryField(t *testing.T) {
	used := map[string]bool{}
	for _, v := range vectors() {
		noteFields(used, v.m.ProtoReflect())
	}
	for _, c := range []proto.Message{fullBundle(), deltaBundle(), revoked(), &lockwirev1.RevocationsContent{All: true}, door(), strictDoor(), brokenDoor()} {
		noteFields(used, c.ProtoReflect())
	}
	for _, e := range slices.Concat(entries(), deltaBundle().GetEntries(), [][]byte{limitedEntry()}) {
		m := new(lockwirev1.BundleEntry)
		if err := proto.Unmarshal(e, m); err != nil {
			t.Fatal(err)
		}
		noteFields(used, m.ProtoReflect())
	}
	for _, p := range goldenParts() {
		noteFields(used, p.ProtoReflect())
	}
	var missing []string
	for _, name := range everyField() {
		if !used[name] && name != "cardea.lockwire.v1.EVENT_KIND_CLOCK_DIFFERENCE" { // the gateway's own
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		t.Errorf("no vector has %s", strings.Join(missing, ", "))
	}
}

// errorName is an error code's name as the files have it; empty: no error.
func errorName(err error) string {
	var e *ProtocolError
	if !errors.As(err, &e) {
		return ""
	}
	return strings.TrimPrefix(e.Code.String(), "ERROR_CODE_")
}
