package wire

import (
	"encoding/hex"
	"slices"
	"strings"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// streamVectors are what a receiver must take, and what it must refuse and how.
func streamVectors() []streamVector {
	return slices.Concat(takenStreams(), oddStreams(), refusedFrames(), brokenBodies(), refusedParts(), refusedMessages())
}

func takenStreams() []streamVector {
	ping, pong := &lockwirev1.Ping{Nonce: 7}, &lockwirev1.Pong{Nonce: 7, ServerTimeMs: vectorNow}
	whole := new(lockwirev1.EventBatch)
	var body []byte
	for _, p := range goldenParts() {
		body = append(body, p.GetBody()...)
	}
	if err := proto.Unmarshal(body, whole); err != nil {
		panic(err)
	}
	parts := goldenParts()
	unknown := order(func(*lockwirev1.Command) {})
	unknown.ProtoReflect().SetUnknown([]byte{0x72, 0x02, 0x08, 0x01})
	settings := &lockwirev1.Ping{Nonce: 7}
	settings.ProtoReflect().SetUnknown(unhex("f2060361626398073f"))
	return []streamVector{
		{"two-frames", "a Ping and a Pong", joined(written(ping), written(pong)), []proto.Message{ping, pong}, ""},
		{"skipped", "a type without bit 7 that nobody knows, then a Ping", joined(raw(0x7f, 0xaa, 0xbb), written(ping)), []proto.Message{ping}, ""},
		{"field-twice", "a field that comes twice: the last one counts", raw(1, 0x08, 0x05, 0x08, 0x07), []proto.Message{ping}, ""},
		{"unknown-fields", "fields 110 and 115 that nobody knows", raw(1, unhex("0807f2060361626398073f")...), []proto.Message{settings}, ""},
		{"long-varint", "a number with more bytes than it needs", raw(1, 0x08, 0x87, 0x00), []proto.Message{ping}, ""},
		{"fields-backwards", "fields in falling order", raw(2, joined(unhex("10"), unhex("80bcd9f29e34"), unhex("0807"))...), []proto.Message{pong}, ""},
		{"unknown-action", "a Command with action 14, which nobody knows: answered UNSUPPORTED, the connection stays", unchecked(unknown), []proto.Message{unknown}, ""},
		{"parts", "an EventBatch in three parts, though it would fit one frame", inParts(func(p []*lockwirev1.Part) []*lockwirev1.Part { return p }), []proto.Message{whole}, ""},
		{"parts-between", "a Ping between the parts: it comes first", joined(unchecked(parts[0]), written(ping), unchecked(parts[1]), unchecked(parts[2])), []proto.Message{ping, whole}, ""},
		{"parts-ids-skip", "message_id 1, then 9: it only has to rise", joined(
			inParts(func(p []*lockwirev1.Part) []*lockwirev1.Part { return p }),
			inParts(func(p []*lockwirev1.Part) []*lockwirev1.Part {
				for _, one := range p {
					one.MessageId = 9
				}
				return p
			})), []proto.Message{whole, whole}, ""},
	}
}

func refusedFrames() []streamVector {
	const malformed, version, kind = "MALFORMED", "UNSUPPORTED_VERSION", "UNKNOWN_TYPE"
	ping := &lockwirev1.Ping{Nonce: 7}
	return []streamVector{
		{"length-0", "length 0", unhex("00000000"), nil, malformed},
		{"length-1", "length 1", unhex("0000000101"), nil, malformed},
		{"length-65537", "length 65,537; refused before the body comes", unhex("00010001"), nil, malformed},
		{"length-4g", "length 4,294,967,295", unhex("ffffffff"), nil, malformed},
		{"version-0", "version 0", unhex("000000020001"), nil, version},
		{"version-2", "version 2", unhex("000000020201"), nil, version},
		{"version-before-type", "version 2 and an unknown type: the version counts", unhex("0000000202ff"), nil, version},
		{"type-0", "type 0", unhex("000000020100"), nil, kind},
		{"type-255", "a type with bit 7 that nobody knows", unhex("0000000201ff"), nil, kind},
		{"type-255-later", "the same behind a Ping", joined(written(ping), unhex("0000000201ff")), []proto.Message{ping}, kind},
		{"body-broken", "a body that is no message", raw(0x82, 0xff, 0xff), nil, malformed},
		{"body-cut", "a string that is longer than the body", raw(0x82, 0x0a, 0x05, 'a'), nil, malformed},
		{"not-utf8", "a string that is not UTF-8", raw(0x82, 0x0a, 0x01, 0xff, 0x28, 0x01, 0x52, 0x01, 0x01), nil, malformed},
		{"field-0", "field number 0", raw(1, 0x00, 0x01), nil, malformed},
	}
}

func refusedParts() []streamVector {
	type parts = []*lockwirev1.Part
	spoiled := func(name, title string, spoil func(parts) parts) streamVector {
		return streamVector{name, title, inParts(spoil), nil, "MALFORMED"}
	}
	twice := inParts(func(p parts) parts { return append(p, p[0]) })
	whole := takenStreams()[7].messages
	return []streamVector{
		spoiled("parts-swapped", "part 1 before part 0", func(p parts) parts { p[0], p[1] = p[1], p[0]; return p }),
		spoiled("parts-missing", "part 1 is left out", func(p parts) parts { return append(p[:1], p[2]) }),
		spoiled("parts-repeated", "part 0 twice", func(p parts) parts { return append(p[:1:1], p...) }),
		spoiled("parts-other-type", "part 1 has another type", func(p parts) parts { p[1].Type = 1; return p }),
		spoiled("parts-other-count", "part 1 has another number of parts", func(p parts) parts { p[1].Parts++; return p }),
		spoiled("parts-other-hash", "part 1 has another hash", func(p parts) parts { p[1].Sha256 = make([]byte, 32); return p }),
		spoiled("parts-wrong-hash", "the joined body has another hash", func(p parts) parts {
			for _, one := range p {
				one.Sha256 = make([]byte, 32)
			}
			return p
		}),
		spoiled("parts-mixed", "a second message before the first has ended", func(p parts) parts { p[1].MessageId, p[1].Part = 2, 0; return p }),
		spoiled("parts-inside-parts", "parts of parts", func(p parts) parts {
			for _, one := range p {
				one.Type = uint32(lockwirev1.FrameType_FRAME_TYPE_PART)
			}
			return p
		}),
		spoiled("parts-id-0", "message_id 0", func(p parts) parts { p[0].MessageId = 0; return p }),
		spoiled("parts-none", "0 parts", func(p parts) parts { p[0].Parts = 0; return p }),
		spoiled("parts-257", "257 parts", func(p parts) parts { p[0].Parts = 257; return p }),
		spoiled("parts-type-0", "parts of type 0", func(p parts) parts {
			for _, one := range p {
				one.Type = 0
			}
			return p
		}),
		spoiled("parts-empty-body", "a part without a body", func(p parts) parts { p[0].Body = nil; return p }),
		spoiled("parts-short-hash", "a hash of 31 bytes", func(p parts) parts { p[0].Sha256 = p[0].Sha256[:31]; return p }),
		{"parts-id-again", "a message_id that was used", twice, whole, "MALFORMED"},
		{"parts-unknown-type", "parts of a type that must be understood and is not", inParts(func(p parts) parts {
			for _, one := range p {
				one.Type = 255
			}
			return p
		}), nil, "UNKNOWN_TYPE"},
	}
}

// refusedMessages are the limits of fields, each passed by one; those of more than 5,000 bytes would make the file large.
func refusedMessages() []streamVector {
	var all []streamVector
	for _, c := range limitCases() {
		if c.text != "" && proto.Size(c.m) <= 5000 {
			all = append(all, streamVector{"limit-" + slug(c.name), c.name + ": " + c.text, unchecked(c.m), nil, "MALFORMED"})
		}
	}
	return all
}

// slug makes a name of a title.
func slug(title string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(title), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}), "-")
}
