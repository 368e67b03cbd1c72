package wire

import (
	"fmt"
	"io"
	"slices"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

// Limits bound what one Reader holds in memory.
type Limits struct {
	// Length is the largest length field that is accepted; at most and by default MaxLength.
	Length int
	// Joined is the largest body made of parts, in bytes; 0: parts are refused.
	Joined int
}

// Reader reads messages.
type Reader struct {
	r      io.Reader
	length int
	join   joiner
	accept func(lockwirev1.FrameType) bool
	each   func() error
}

// NewReader reads from r, in pieces of a frame; r should have a buffer of its own (a TLS connection has).
func NewReader(r io.Reader, limits Limits) *Reader {
	if limits.Length <= 0 || limits.Length > MaxLength {
		limits.Length = MaxLength
	}
	return &Reader{r: r, length: limits.Length, join: joiner{max: limits.Joined}}
}

// Accept says which types the state and the direction allow; others are UNEXPECTED, before their body is looked at. At
// first all are allowed.
func (r *Reader) Accept(types ...lockwirev1.FrameType) {
	r.accept = func(t lockwirev1.FrameType) bool { return slices.Contains(types, t) }
}

// OnFrame is called after each whole frame, also one that is skipped or a part; its error is Next's.
func (r *Reader) OnFrame(each func() error) { r.each = each }

// Next returns the next message that version 1 knows, after skipping frames that may be skipped and joining parts.
// Errors: io.EOF at a clean end, *ProtocolError for what the peer did wrong, any other from the connection.
// After an error the Reader is not to be used again.
func (r *Reader) Next() (proto.Message, error) {
	for {
		f, err := readFrame(r.r, r.length)
		if err != nil {
			return nil, err
		}
		if r.each != nil {
			if err := r.each(); err != nil {
				return nil, err
			}
		}
		m, err := decode(f, r.accept)
		if err != nil {
			return nil, err
		}
		if part, ok := m.(*lockwirev1.Part); ok {
			if m, err = r.joined(part); err != nil {
				return nil, err
			}
		}
		if m != nil {
			return m, nil
		}
	}
}

// joined is the message that a part completes; nil when there is more to come, or the message may be skipped.
func (r *Reader) joined(part *lockwirev1.Part) (proto.Message, error) {
	whole, done, err := r.join.add(part)
	if err != nil || !done {
		return nil, err
	}
	return decode(whole, r.accept)
}

// Writer writes messages.
type Writer struct {
	w io.Writer
	// messageID numbers the messages that travel in parts.
	messageID uint64
}

// NewWriter writes to w, one call of Write for each message, or for each part of one.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write sends a message, in parts when it does not fit a frame. It refuses a message outside its limits.
func (w *Writer) Write(m proto.Message) error {
	if err := Check(m); err != nil {
		return fmt.Errorf("own message: %w", err)
	}
	body, err := marshal(m)
	if err != nil {
		return err
	}
	f := Frame{Type: TypeOf(m), Body: body}
	if len(body) <= MaxBody {
		return w.frame(f)
	}
	w.messageID++
	parts := split(w.messageID, f)
	if len(parts) > MaxParts {
		return fmt.Errorf("%s of %d bytes needs more than %d parts", f.Type, len(body), MaxParts)
	}
	for _, part := range parts {
		piece, err := marshal(part)
		if err != nil {
			return err
		}
		if err := w.frame(Frame{Type: lockwirev1.FrameType_FRAME_TYPE_PART, Body: piece}); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) frame(f Frame) error {
	b, err := AppendFrame(make([]byte, 0, headerSize+len(f.Body)), f)
	if err != nil {
		return err
	}
	_, err = w.w.Write(b)
	return err
}

func marshal(m proto.Message) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(m)
}
