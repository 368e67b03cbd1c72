package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

var update = flag.Bool("update", false, "write the dumps into PROTOCOL.md")

const (
	page   = "../../PROTOCOL.md"
	before = "<!-- dumps:begin -->\n"
	after  = "<!-- dumps:end -->"
)

// vector is a message with a title; together they show one short session.
type vector struct {
	title string
	m     proto.Message
}

func vectors() []vector {
	const now = 1_795_000_000_000
	device := "device_euc_01jd3q8v5dfw0b9m3cz1n2k4xw"
	return []vector{
		{"Hello", &lockwirev1.Hello{
			DeviceId: device, Firmware: "1.2.0", Model: "L1", Capabilities: []string{"command.unlock"}, BootEpoch: 3,
			LockTimeMs: now, ClockQuality: lockwirev1.ClockQuality_CLOCK_QUALITY_SYNCHRONIZED, JournalHead: 1, Versions: []uint32{1},
		}},
		{"Welcome", &lockwirev1.Welcome{
			Session: bytes.Repeat([]byte{0xaa}, 16), ServerTimeMs: now + 12, HeartbeatMs: 30_000,
			Endpoints: []*lockwirev1.Endpoint{{Host: "locks.eu-central.example", Port: 7443}}, Version: 1, EventCredit: 4, AccessCredit: 4,
		}},
		{"AccessRequest: a 26-bit card, facility 17, number 4711", &lockwirev1.AccessRequest{
			RequestId: 1, EventSequence: 2,
			Card:      &lockwirev1.Card{Format: lockwirev1.CardFormat_CARD_FORMAT_WIEGAND26, BitLength: 26, Bits: []byte{0x88, 0x89, 0x33, 0xc0}},
			Direction: lockwirev1.Direction_DIRECTION_IN, LockTimeMs: now + 5000,
			ClockQuality: lockwirev1.ClockQuality_CLOCK_QUALITY_SYNCHRONIZED,
			Traceparent:  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		}},
		{"AccessDecision: granted", &lockwirev1.AccessDecision{
			RequestId: 1, Outcome: lockwirev1.Outcome_OUTCOME_GRANTED, Reason: 1, UnlockMs: 5000,
			Feedback: lockwirev1.Feedback_FEEDBACK_GRANTED, ValidForMs: 2000, Receipt: []byte{0x01, 0x02, 0x03},
		}},
		{"EventBatch: the boot and the swipe", &lockwirev1.EventBatch{
			RequestId: 2, BootEpoch: 3, FirstSequence: 1, Events: []*lockwirev1.Event{
				{Kind: lockwirev1.EventKind_EVENT_KIND_BOOT, LockTimeMs: now - 1000, UptimeMs: 20, ClockQuality: lockwirev1.ClockQuality_CLOCK_QUALITY_FREE_RUNNING},
				{
					Kind: lockwirev1.EventKind_EVENT_KIND_ACCESS, LockTimeMs: now + 5000, UptimeMs: 6020,
					ClockQuality: lockwirev1.ClockQuality_CLOCK_QUALITY_SYNCHRONIZED, Outcome: lockwirev1.Outcome_OUTCOME_GRANTED, Reason: 1,
					Receipt: []byte{0x01, 0x02, 0x03},
				},
			},
		}},
		{"EventAck: both are on the gateway's disk", &lockwirev1.EventAck{RequestId: 2, BootEpoch: 3, ReceivedUpTo: 2, FromSequence: 1}},
		{"EventAck: both are durable", &lockwirev1.EventAck{BootEpoch: 3, ReceivedUpTo: 2, DurableUpTo: 2, FromSequence: 1}},
		{"Command: unlock", &lockwirev1.Command{
			CommandId: "command_euc_01jd3q9a7hfw0b9m3cz1n2k4xw", NotAfterMs: now + 20_000, ServerTimeMs: now + 10_000,
			Action: &lockwirev1.Command_Unlock{Unlock: &lockwirev1.Unlock{UnlockMs: 5000}},
		}},
		{"CommandResult", &lockwirev1.CommandResult{
			CommandId: "command_euc_01jd3q9a7hfw0b9m3cz1n2k4xw", Outcome: lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE,
		}},
		{"EventBatch: the command's event", &lockwirev1.EventBatch{
			RequestId: 3, BootEpoch: 3, FirstSequence: 3, Events: []*lockwirev1.Event{{
				Kind: lockwirev1.EventKind_EVENT_KIND_COMMAND, LockTimeMs: now + 10_050, UptimeMs: 11_070,
				ClockQuality: lockwirev1.ClockQuality_CLOCK_QUALITY_SYNCHRONIZED, CommandId: "command_euc_01jd3q9a7hfw0b9m3cz1n2k4xw",
				CommandOutcome: lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE,
			}},
		}},
		{"EventBatch: an overflowed ring; 2 to 40 are gone", &lockwirev1.EventBatch{
			RequestId: 4, BootEpoch: 2, FirstSequence: 40, Events: []*lockwirev1.Event{
				{Kind: lockwirev1.EventKind_EVENT_KIND_GAP, LockTimeMs: now - 90_000, UptimeMs: 600_000, ClockQuality: lockwirev1.ClockQuality_CLOCK_QUALITY_SYNCHRONIZED, Lost: 39},
			},
		}},
		{"Ping", &lockwirev1.Ping{Nonce: 7}},
		{"Pong", &lockwirev1.Pong{Nonce: 7, ServerTimeMs: now + 30_000}},
		{"Error", &lockwirev1.Error{Code: lockwirev1.ErrorCode_ERROR_CODE_MALFORMED, Text: "length 1 is outside 2..65536"}},
		{"EnrollRequest (the certificate request cut to four bytes)", &lockwirev1.EnrollRequest{
			ClaimSecret: "c2VjcmV0", CertificateRequest: []byte{0x30, 0x82, 0x00, 0xff},
		}},
	}
}

// TestProtocolPageShowsTheBytes holds the page's dumps to the code, and the code to the page: a change of either shows.
func TestProtocolPageShowsTheBytes(t *testing.T) {
	var dumps strings.Builder
	for _, v := range vectors() {
		var frame bytes.Buffer
		if err := NewWriter(&frame).Write(v.m); err != nil {
			t.Fatalf("%s: %v", v.title, err)
		}
		fmt.Fprintf(&dumps, "\n### %s\n\n```\n%s```\n", v.title, annotate(frame.Bytes(), v.m))
	}
	dumps.WriteString("\n")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), before)
	old, tail, ok2 := strings.Cut(rest, after)
	if !ok || !ok2 {
		t.Fatal("PROTOCOL.md has lost its dump marks")
	}
	if *update {
		if err := os.WriteFile(page, []byte(head+before+dumps.String()+after+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != dumps.String() {
		t.Fatal("the dumps in PROTOCOL.md are not what the code writes: if the change is meant, run with -update and read the difference")
	}
}

// annotate writes a frame as bytes with their meaning.
func annotate(frame []byte, m proto.Message) string {
	var out strings.Builder
	line(&out, 0, frame[:4], fmt.Sprintf("length %d", binary.BigEndian.Uint32(frame)))
	line(&out, 0, frame[4:5], "version")
	line(&out, 0, frame[5:6], fmt.Sprintf("type %d %s", frame[5], strings.TrimPrefix(TypeOf(m).String(), "FRAME_TYPE_")))
	annotateMessage(&out, 0, frame[6:], m.ProtoReflect().Descriptor())
	return out.String()
}

func annotateMessage(out *strings.Builder, depth int, b []byte, d protoreflect.MessageDescriptor) {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		field := d.Fields().ByNumber(number)
		size := n + protowire.ConsumeFieldValue(number, kind, b[n:])
		switch {
		case kind == protowire.VarintType:
			v, _ := protowire.ConsumeVarint(b[n:])
			meaning := fmt.Sprintf("%s = %d", field.Name(), v)
			if enum := field.Enum(); enum != nil {
				meaning += " " + string(enum.Values().ByNumber(protoreflect.EnumNumber(v)).Name())
			}
			line(out, depth, b[:size], meaning)
		case field.Kind() == protoreflect.MessageKind:
			inner, _ := protowire.ConsumeBytes(b[n:])
			line(out, depth, b[:size-len(inner)], fmt.Sprintf("%s, %d bytes:", field.Name(), len(inner)))
			annotateMessage(out, depth+1, inner, field.Message())
		default:
			inner, _ := protowire.ConsumeBytes(b[n:])
			meaning := fmt.Sprintf("%s, %d bytes:", field.Name(), len(inner))
			if field.Kind() == protoreflect.StringKind {
				meaning = fmt.Sprintf("%s, %d bytes: %q", field.Name(), len(inner), inner)
			}
			line(out, depth, b[:size-len(inner)], meaning)
			for len(inner) > 0 {
				k := min(16, len(inner))
				line(out, depth+1, inner[:k], "")
				inner = inner[k:]
			}
		}
		b = b[size:]
	}
}

func line(out *strings.Builder, depth int, b []byte, meaning string) {
	text := strings.Repeat("  ", depth) + spaced(b)
	if meaning != "" {
		text = fmt.Sprintf("%-24s %s", text, meaning)
	}
	out.WriteString(text + "\n")
}

func spaced(b []byte) string {
	pairs := make([]string, len(b))
	for i := range b {
		pairs[i] = hex.EncodeToString(b[i : i+1])
	}
	return strings.Join(pairs, " ")
}
