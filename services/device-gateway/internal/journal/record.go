package journal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"google.golang.org/protobuf/proto"
)

const (
	recordHeader = 8
	// maxRecord bounds one payload, so that a spoiled length does not claim memory. An event has at most some KiB.
	maxRecord = 1 << 20
)

// errTorn marks the place where a segment ends: nothing, or nothing whole, follows.
var errTorn = errors.New("torn record")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Entry is one event of a device.
type Entry struct {
	// Epoch and Sequence place it in the device's ring; Sequence 0: it is the gateway's own and has no place there.
	Epoch, Sequence uint64
	// Event is what is published; its stream is the device.
	Event *typev1.Event
}

func appendRecord(b []byte, e Entry) ([]byte, error) {
	start := len(b)
	b = append(b, make([]byte, recordHeader)...)
	b = binary.AppendUvarint(b, e.Epoch)
	b = binary.AppendUvarint(b, e.Sequence)
	b, err := proto.MarshalOptions{}.MarshalAppend(b, e.Event)
	if err != nil {
		return b[:start], fmt.Errorf("encode event %s: %w", e.Event.GetId(), err)
	}
	payload := b[start+recordHeader:]
	if len(payload) > maxRecord {
		return b[:start], fmt.Errorf("event %s has %d bytes, more than %d", e.Event.GetId(), len(payload), maxRecord)
	}
	binary.BigEndian.PutUint32(b[start:], uint32(len(payload)))
	binary.BigEndian.PutUint32(b[start+4:], crc32.Checksum(payload, castagnoli))
	return b, nil
}

// readRecord reads the next record and says how many bytes it took. io.EOF: a clean end; errTorn: no whole record.
func readRecord(r *bufio.Reader) (Entry, int64, error) {
	var header [recordHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		if err == io.ErrUnexpectedEOF {
			err = errTorn
		}
		return Entry{}, 0, err
	}
	length := binary.BigEndian.Uint32(header[:])
	if length > maxRecord {
		return Entry{}, 0, errTorn
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(r, payload); err != nil {
		return Entry{}, 0, errTorn
	}
	if crc32.Checksum(payload, castagnoli) != binary.BigEndian.Uint32(header[4:]) {
		return Entry{}, 0, errTorn
	}
	e, err := decodePayload(payload)
	return e, recordHeader + int64(length), err
}

func decodePayload(payload []byte) (Entry, error) {
	epoch, n := binary.Uvarint(payload)
	if n <= 0 {
		return Entry{}, errTorn
	}
	sequence, k := binary.Uvarint(payload[n:])
	if k <= 0 {
		return Entry{}, errTorn
	}
	event := new(typev1.Event)
	if err := proto.Unmarshal(payload[n+k:], event); err != nil {
		return Entry{}, errTorn
	}
	return Entry{Epoch: epoch, Sequence: sequence, Event: event}, nil
}
