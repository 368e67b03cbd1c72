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

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

var update = flag.Bool("update", false, "write the dumps into PROTOCOL.md and the golden vectors")

const (
	page   = "../../PROTOCOL.md"
	before = "<!-- dumps:begin -->\n"
	after  = "<!-- dumps:end -->"
)

// TestProtocolPageShowsTheBytes holds the page's dumps to the code, and the code to the page: a change of either shows.
func TestProtocolPageShowsTheBytes(t *testing.T) {
	var dumps strings.Builder
	for _, v := range vectors() {
		if !v.shown {
			continue
		}
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
		case kind == protowire.Fixed64Type:
			v, _ := protowire.ConsumeFixed64(b[n:])
			line(out, depth, b[:size], fmt.Sprintf("%s = %d", field.Name(), v))
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
