package wire

import (
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/encoding/protowire"
)

// repeated is a repeated field of a message and how often it may come.
type repeated struct {
	number protowire.Number
	name   string
	most   int
}

// repeatedOf are the repeated fields that a lock may send and whose elements take much more memory than bytes on the
// wire: an empty event is two bytes, and some two hundred when it is decoded.
func repeatedOf(t lockwirev1.FrameType) repeated {
	switch t {
	case lockwirev1.FrameType_FRAME_TYPE_EVENT_BATCH:
		return repeated{number: 4, name: "events", most: MaxBatch}
	case lockwirev1.FrameType_FRAME_TYPE_HELLO:
		return repeated{number: 4, name: "capabilities", most: maxCapabilities}
	default:
		return repeated{}
	}
}

// countRepeated refuses a body with too many elements before they are decoded. What is no message passes: the decoder
// refuses it.
func countRepeated(f Frame) error {
	field := repeatedOf(f.Type)
	if field.number == 0 {
		return nil
	}
	count := 0
	for b := f.Body; len(b) > 0; {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil
		}
		size := protowire.ConsumeFieldValue(number, kind, b[n:])
		if size < 0 {
			return nil
		}
		if number == field.number {
			count++
		}
		b = b[n+size:]
	}
	if count > field.most {
		return malformed("number of %s: %d is more than %d", field.name, count, field.most)
	}
	return nil
}
