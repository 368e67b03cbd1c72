package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

// goldenStream is an entry of streams.json: bytes of one direction, the messages in them, and the Error that they end with.
type goldenStream struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	// Joined is the receiver's limit for joined parts.
	Joined   int            `json:"joined_limit"`
	Stream   hexBytes       `json:"stream"`
	Messages []goldenInside `json:"messages"`
	// Error is the code that the receiver answers; empty: none, it waits for more.
	Error string `json:"error"`
}

type goldenInside struct {
	Message string          `json:"message"`
	Fields  json.RawMessage `json:"fields"`
}

// streamVector is a stream as the test makes it: what it means is worked out by the Reader and read by people.
type streamVector struct {
	name, title string
	stream      []byte
	// messages and code are what must come of it.
	messages []proto.Message
	code     string
}

func raw(kind byte, body ...byte) []byte {
	b, err := AppendFrame(nil, Frame{Type: lockwirev1.FrameType(kind), Body: body})
	if err != nil {
		panic(err)
	}
	return b
}

func joined(all ...[]byte) []byte { return bytes.Join(all, nil) }

func written(m proto.Message) []byte {
	var b bytes.Buffer
	if err := NewWriter(&b).Write(m); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// unchecked is a frame of a message that Write would refuse.
func unchecked(m proto.Message) []byte { return raw(byte(TypeOf(m)), serialized(m)...) }

// goldenParts are three parts of an EventBatch; small, so that they can be read.
func goldenParts() []*lockwirev1.Part {
	body := serialized(batch(3, 3, 5, &lockwirev1.Event{Kind: lockwirev1.EventKind_EVENT_KIND_ACCESS, UptimeMs: 11_000, ClockQuality: unset}))
	parts := make([]*lockwirev1.Part, 3)
	for i := range parts {
		parts[i] = &lockwirev1.Part{
			MessageId: 1, Type: uint32(lockwirev1.FrameType_FRAME_TYPE_EVENT_BATCH), Part: uint32(i), Parts: 3, Sha256: hashOf(body),
			Body: body[i*len(body)/3 : (i+1)*len(body)/3],
		}
	}
	return parts
}

// inParts writes goldenParts after they were spoiled.
func inParts(spoil func(p []*lockwirev1.Part) []*lockwirev1.Part) []byte {
	var all []byte
	for _, p := range spoil(goldenParts()) {
		all = append(all, unchecked(p)...)
	}
	return all
}

func TestGoldenStreams(t *testing.T) {
	var file []goldenStream
	for _, v := range limitedStreams() {
		g := goldenStream{Name: v.name, Title: v.title, Joined: v.joined, Stream: v.stream, Error: v.code, Messages: []goldenInside{}}
		for _, m := range v.messages {
			g.Messages = append(g.Messages, goldenInside{messageName(m), fieldsOf(t, m)})
		}
		file = append(file, g)
	}
	holdGolden(t, "streams.json", file)
}

// TestGoldenStreamsAreRead reads every stream, whole and byte by byte.
func TestGoldenStreamsAreRead(t *testing.T) {
	for _, v := range limitedStreams() {
		t.Run(v.name, func(t *testing.T) {
			for _, size := range []int{1, 1 << 20} {
				r := NewReader(&trickle{b: v.stream, size: size}, Limits{Joined: v.joined})
				for _, want := range v.messages {
					if got, err := r.Next(); err != nil || !proto.Equal(got, want) {
						t.Fatalf("%v, %v", got, err)
					}
				}
				_, err := r.Next()
				if v.code == "" && !errors.Is(err, io.EOF) || errorName(err) != v.code {
					t.Fatalf("%v; want %q", err, v.code)
				}
			}
		})
	}
}

// TestEveryRefusalHasAStream: for each code that the codec gives there is one.
func TestEveryRefusalHasAStream(t *testing.T) {
	var codes []string
	for _, v := range streamVectors() {
		codes = append(codes, v.code)
	}
	all := strings.Join(codes, " ")
	for _, code := range []string{"MALFORMED", "UNSUPPORTED_VERSION", "UNKNOWN_TYPE"} {
		if !strings.Contains(all, code) {
			t.Errorf("%s: none", code)
		}
	}
}
