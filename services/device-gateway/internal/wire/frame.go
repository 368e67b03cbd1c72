package wire

import (
	"encoding/binary"
	"fmt"
	"io"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

const (
	// Version is the only version of the framing that there is.
	Version = 1
	// MinLength is the smallest value of the length field: version and type without a body.
	MinLength = 2
	// MaxLength is the largest value of the length field.
	MaxLength = 65536
	// MaxBody is the largest body of one frame, in bytes.
	MaxBody = MaxLength - MinLength

	lengthSize = 4
	headerSize = lengthSize + MinLength
	// mustUnderstand is the bit of a type that its receiver may not skip.
	mustUnderstand = 0x80
)

// ALPN protocol names; both are served on the same port.
const (
	ALPNSession = "cardea-lockwire/1"
	ALPNEnroll  = "cardea-enroll/1"
)

// Frame is what follows a length.
type Frame struct {
	Type lockwirev1.FrameType
	Body []byte
}

// AppendFrame appends the frame's bytes. The body must not be longer than MaxBody.
func AppendFrame(b []byte, f Frame) ([]byte, error) {
	start := len(b)
	b = append(append(b, make([]byte, headerSize)...), f.Body...)
	if err := putHeader(b[start:], f.Type); err != nil {
		return b[:start], err
	}
	return b, nil
}

// putHeader fills in the header of a frame whose body is in its place already.
func putHeader(whole []byte, kind lockwirev1.FrameType) error {
	length := len(whole) - lengthSize
	if length > MaxLength {
		return fmt.Errorf("body of %d bytes does not fit a frame of %s", length-MinLength, kind)
	}
	if kind <= 0 || kind > 255 {
		return fmt.Errorf("frame type %d does not fit a byte", kind)
	}
	binary.BigEndian.PutUint32(whole, uint32(length))
	whole[lengthSize], whole[lengthSize+1] = Version, byte(kind)
	return nil
}

// readFrame reads one frame whose length field is at most maxLength. At a clean end it returns io.EOF, inside a frame
// io.ErrUnexpectedEOF. A length costs nothing: the body's memory is claimed as its bytes come.
func readFrame(r io.Reader, maxLength int) (Frame, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:lengthSize]); err != nil {
		return Frame{}, err
	}
	length := binary.BigEndian.Uint32(header[:lengthSize])
	if length < MinLength || length > uint32(maxLength) {
		return Frame{}, malformed("length %d is outside %d..%d", length, MinLength, maxLength)
	}
	if err := readRest(r, header[lengthSize:]); err != nil {
		return Frame{}, err
	}
	if version := header[lengthSize]; version != Version {
		return Frame{}, &ProtocolError{
			Code: lockwirev1.ErrorCode_ERROR_CODE_UNSUPPORTED_VERSION,
			Text: fmt.Sprintf("frame version %d; this end speaks %d", version, Version),
		}
	}
	body, err := readBody(r, int(length)-MinLength)
	return Frame{Type: lockwirev1.FrameType(header[lengthSize+1]), Body: body}, err
}

// bodyStep is the room that is made for a body before any of it came, in bytes. A body of a lock is nearly always smaller.
const bodyStep = 4096

// readBody reads a body of a size. It never has room for more than bodyStep, or twice of what came.
func readBody(r io.Reader, size int) ([]byte, error) {
	if size == 0 {
		return nil, nil
	}
	body := make([]byte, min(size, bodyStep))
	for came := 0; ; {
		if err := readRest(r, body[came:]); err != nil {
			return nil, err
		}
		if came = len(body); came == size {
			return body, nil
		}
		more := make([]byte, min(size, 2*came))
		copy(more, body)
		body = more
	}
}

// readRest reads what the length promised, so that an end here is an end inside a frame.
func readRest(r io.Reader, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	_, err := io.ReadFull(r, b)
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
