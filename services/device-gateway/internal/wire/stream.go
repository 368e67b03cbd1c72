package wire

import (
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
