package wire

import (
	"bytes"
	"crypto/sha256"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// joiner puts the parts of one message together. One message is under way at a time in each direction: parts of two may
// not be mixed, other frames may come between.
type joiner struct {
	// max is the largest joined body in bytes.
	max int
	// lastID is the newest message that was begun.
	lastID uint64
	// first is part 0 of the message under way; nil when there is none.
	first *lockwirev1.Part
	next  uint32
	body  []byte
}

// add takes the next part. It returns the whole frame with its last part, and nothing before.
func (j *joiner) add(p *lockwirev1.Part) (Frame, bool, error) {
	if p.GetPart() == 0 {
		if err := j.begin(p); err != nil {
			return Frame{}, false, err
		}
	}
	switch {
	case j.first == nil:
		return Frame{}, false, malformed("part %d of message %d came before part 0", p.GetPart(), p.GetMessageId())
	case p.GetMessageId() != j.first.GetMessageId() || p.GetPart() != j.next:
		return Frame{}, false, malformed("part %d of message %d came where part %d of message %d was due",
			p.GetPart(), p.GetMessageId(), j.next, j.first.GetMessageId())
	case p.GetType() != j.first.GetType() || p.GetParts() != j.first.GetParts() || !bytes.Equal(p.GetSha256(), j.first.GetSha256()):
		return Frame{}, false, malformed("part %d of message %d contradicts part 0", p.GetPart(), p.GetMessageId())
	case len(j.body)+len(p.GetBody()) > j.max:
		return Frame{}, false, malformed("message %d is larger than %d bytes", p.GetMessageId(), j.max)
	}
	j.body = append(j.body, p.GetBody()...)
	j.next++
	if j.next < p.GetParts() {
		return Frame{}, false, nil
	}
	return j.end()
}

func (j *joiner) begin(p *lockwirev1.Part) error {
	switch {
	case j.first != nil:
		return malformed("message %d began before message %d ended", p.GetMessageId(), j.first.GetMessageId())
	case p.GetMessageId() <= j.lastID:
		return malformed("message_id %d after %d: it must rise", p.GetMessageId(), j.lastID)
	case p.GetType() == uint32(lockwirev1.FrameType_FRAME_TYPE_PART):
		return malformed("parts inside parts")
	}
	j.lastID = p.GetMessageId()
	// The part's own body is copied out: keeping the message would keep its frame.
	j.first = &lockwirev1.Part{MessageId: p.GetMessageId(), Type: p.GetType(), Parts: p.GetParts(), Sha256: p.GetSha256()}
	j.next, j.body = 0, nil
	return nil
}

func (j *joiner) end() (Frame, bool, error) {
	f := Frame{Type: lockwirev1.FrameType(j.first.GetType()), Body: j.body}
	intact := bytes.Equal(hashOf(j.body), j.first.GetSha256())
	j.first, j.body = nil, nil
	if !intact {
		return Frame{}, false, malformed("the joined parts have another hash")
	}
	return f, true, nil
}

func hashOf(body []byte) []byte {
	hash := sha256.Sum256(body)
	return hash[:]
}
