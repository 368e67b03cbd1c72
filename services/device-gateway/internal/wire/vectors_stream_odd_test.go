package wire

import (
	"bytes"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

// limitedStream is a stream for a receiver with a limit for joined parts of its own, in bytes.
type limitedStream struct {
	streamVector
	joined int
}

// limitedStreams are all streams.
func limitedStreams() []limitedStream {
	var all []limitedStream
	for _, v := range streamVectors() {
		all = append(all, limitedStream{v, JoinedToGateway})
	}
	return append(all, limitedParts()...)
}

// limitedParts are R-PART-4, with limits as small as the parts.
func limitedParts() []limitedStream {
	p, ping, whole := goldenParts(), &lockwirev1.Ping{Nonce: 7}, takenStreams()[7].messages
	two := len(p[0].GetBody()) + len(p[1].GetBody())
	three := two + len(p[2].GetBody())
	all := joined(unchecked(p[0]), unchecked(p[1]), unchecked(p[2]))
	return []limitedStream{
		{streamVector{"parts-limit", "parts of exactly as many bytes as the receiver takes", all, whole, ""}, three},
		{streamVector{"parts-limit-passed", "one byte more", all, nil, "MALFORMED"}, three - 1},
		{streamVector{"parts-limit-passed-at-part", "the limit is passed at the part that passes it: the next is not waited for",
			joined(unchecked(p[0]), unchecked(p[1])), nil, "MALFORMED"}, two - 1},
		{streamVector{"parts-limit-not-passed-before", "... and not before: the Ping is taken, and then the last part is refused",
			joined(unchecked(p[0]), unchecked(p[1]), written(ping), unchecked(p[2])), []proto.Message{ping}, "MALFORMED"}, two},
	}
}

// oddStreams have bodies that protobuf lets through and that no sender of the vectors makes (R-FRAME-8).
func oddStreams() []streamVector {
	nonce, other := unhex("0807"), unhex("0a0105"+"090500000000000000"+"0d05000000")
	ping := &lockwirev1.Ping{Nonce: 7}
	ping.ProtoReflect().SetUnknown(other)
	denied := &lockwirev1.AccessDecision{RequestId: 1, Outcome: lockwirev1.Outcome_OUTCOME_DENIED}
	typed := proto.CloneOf(denied)
	typed.ProtoReflect().SetUnknown(unhex("1201012201ff"))
	merged := &lockwirev1.Welcome{Session: bytes.Repeat([]byte{0xaa}, 16), HeartbeatMs: 30_000, Version: 1, EventCredit: 4, AccessCredit: 4}
	first := proto.CloneOf(merged)
	first.Configuration = &lockwirev1.Configuration{UnlockMs: 4000, Volume: 60}
	again := &lockwirev1.Welcome{Configuration: &lockwirev1.Configuration{HeldOpenAfterMs: 45_000, Volume: 20}}
	merged.Configuration = &lockwirev1.Configuration{UnlockMs: 4000, HeldOpenAfterMs: 45_000, Volume: 20}
	return []streamVector{
		{"other-wire-type", "a number that comes again as bytes, and in 8 and 4 bytes: these are ignored", raw(1, joined(nonce, other)...), []proto.Message{ping}, ""},
		{"other-wire-type-decision", "a denial; then outcome and unlock_ms as bytes, which are ignored",
			raw(0x85, joined(serialized(denied), unhex("1201012201ff"))...), []proto.Message{typed}, ""},
		{"message-twice", "a message that comes twice is merged field by field",
			raw(0x83, joined(serialized(first), serialized(again))...), []proto.Message{merged}, ""},
	}
}

// brokenBodies do not parse.
func brokenBodies() []streamVector {
	return []streamVector{
		{"varint-11-bytes", "a number of 11 bytes", raw(1, unhex("08ffffffffffffffffffff01")...), nil, "MALFORMED"},
		{"varint-cut", "a number that ends with the body", raw(1, unhex("0887")...), nil, "MALFORMED"},
		{"wire-type-7", "a wire type that protobuf does not have", raw(1, unhex("0f01")...), nil, "MALFORMED"},
	}
}
