package wire

import (
	"errors"
	"fmt"
	"io"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

// ErrPartsUnderWay: a message in parts was begun before the one before it had ended.
var ErrPartsUnderWay = errors.New("another message in parts is under way")

// Writer writes messages.
type Writer struct {
	w io.Writer
	// messageID numbers the messages that travel in parts.
	messageID uint64
	// underWay is the message in parts that has begun and not ended; nil: none.
	underWay *Pieces
}

// NewWriter writes to w, one call of Write for each message, or for each part of one.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write sends a message, in parts when it does not fit a frame. It refuses a message outside its limits.
func (w *Writer) Write(m proto.Message) error {
	whole, err := encode(m)
	if err != nil {
		return err
	}
	if len(whole)-headerSize <= MaxBody {
		return w.frame(TypeOf(m), whole)
	}
	pieces, err := w.pieces(TypeOf(m), whole)
	for err == nil {
		var done bool
		if done, err = pieces.Next(); done {
			return err
		}
	}
	return err
}

// Begin makes a message ready to be sent frame by frame, so that urgent messages that fit one frame can be written
// between its parts. It writes nothing and takes no message_id: pieces of which Next was never called may be dropped. It
// refuses a message outside its limits.
func (w *Writer) Begin(m proto.Message) (*Pieces, error) {
	whole, err := encode(m)
	if err != nil {
		return nil, err
	}
	return w.pieces(TypeOf(m), whole)
}

// encode is the body of a message that is within its limits, with room for a header before it.
func encode(m proto.Message) ([]byte, error) {
	if err := Check(m); err != nil {
		return nil, fmt.Errorf("own message: %w", err)
	}
	return marshal(m)
}

func marshal(m proto.Message) ([]byte, error) {
	options := proto.MarshalOptions{Deterministic: true}
	whole := make([]byte, headerSize, headerSize+options.Size(m))
	options.UseCachedSize = true // that of the line before
	return options.MarshalAppend(whole, m)
}

func (w *Writer) pieces(kind lockwirev1.FrameType, whole []byte) (*Pieces, error) {
	p := &Pieces{w: w, kind: kind, whole: whole, parts: 1}
	if size := len(whole) - headerSize; size > MaxBody {
		if p.parts = (size + maxPartBody - 1) / maxPartBody; p.parts > MaxParts {
			return nil, fmt.Errorf("%s of %d bytes needs more than %d parts", p.kind, size, MaxParts)
		}
	}
	return p, nil
}

// Pieces is a message on its way, one frame at a time.
type Pieces struct {
	w    *Writer
	kind lockwirev1.FrameType
	// whole is room for a header, and the body behind it.
	whole []byte
	parts int
	next  int
	// id and sha256 are set with the first part; a message of one frame has none.
	id     uint64
	sha256 []byte
}

// Next writes the next frame. done: it was the last. A message that has begun must be brought to its end before another
// one in parts may begin, which gets ErrPartsUnderWay; there is no taking it back.
func (p *Pieces) Next() (done bool, err error) {
	if p.parts == 1 {
		p.next = 1
		return true, p.w.frame(p.kind, p.whole)
	}
	if p.next == 0 {
		if p.w.underWay != nil {
			return false, ErrPartsUnderWay
		}
		p.w.underWay = p
		p.w.messageID++
		p.id, p.sha256 = p.w.messageID, hashOf(p.whole[headerSize:])
	}
	if err := p.w.message(p.part(p.next)); err != nil {
		return false, err
	}
	p.next++
	if p.next < p.parts {
		return false, nil
	}
	p.w.underWay = nil
	return true, nil
}

// part is the piece of a number.
func (p *Pieces) part(n int) *lockwirev1.Part {
	body := p.whole[headerSize:]
	return &lockwirev1.Part{
		MessageId: p.id, Type: uint32(p.kind), Part: uint32(n), Parts: uint32(p.parts),
		Body: body[n*maxPartBody : min((n+1)*maxPartBody, len(body))], Sha256: p.sha256,
	}
}

// message writes a message that fits one frame.
func (w *Writer) message(m proto.Message) error {
	whole, err := marshal(m)
	if err != nil {
		return err
	}
	return w.frame(TypeOf(m), whole)
}

// frame writes a body that has room for its header before it.
func (w *Writer) frame(kind lockwirev1.FrameType, whole []byte) error {
	if err := putHeader(whole, kind); err != nil {
		return err
	}
	_, err := w.w.Write(whole)
	return err
}
