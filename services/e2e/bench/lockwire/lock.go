// Package lockwire is a lock reduced to what a bench of decisions needs: it greets the gateway and asks. It is written from
// PROTOCOL.md, apart from the gateway's own codec, keeps no ring and writes no events, so that the bench measures the
// gateway and not the simulated lock.
//
// A Lock belongs to one goroutine at a time.
package lockwire

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

const (
	version   = 1
	header    = 6 // length (4), version, type
	maxLength = 65536
	// ALPN is the protocol's name in the handshake.
	ALPN = "cardea-lockwire/1"
)

// Lock is a connection with an open session, or one to the floor, which has none.
type Lock struct {
	conn    *tls.Conn
	in      *bufio.Reader
	out     []byte
	request lockwirev1.AccessRequest
}

// Dial makes the connection. The floor's locks ask right away; a gateway's call Greet first.
func Dial(ctx context.Context, address string, config *tls.Config) (*Lock, error) {
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return Over(ctx, raw, config)
}

// Over is Dial on a connection that was made; it is closed after an error.
func Over(ctx context.Context, raw net.Conn, config *tls.Config) (*Lock, error) {
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	// The buffer is as large as a decision's frame needs; a lock has no more.
	return &Lock{conn: conn, in: bufio.NewReaderSize(conn, 1024)}, nil
}

// Close ends the connection.
func (l *Lock) Close() error { return l.conn.Close() }

// Greet opens the session of a device.
func (l *Lock) Greet(device string) error {
	err := l.send(lockwirev1.FrameType_FRAME_TYPE_HELLO, &lockwirev1.Hello{
		DeviceId: device, Firmware: "bench", Model: "bench", BootEpoch: 1, Versions: []uint32{version},
	})
	if err != nil {
		return err
	}
	return l.receive(lockwirev1.FrameType_FRAME_TYPE_WELCOME, new(lockwirev1.Welcome))
}

// Ask asks about a card and waits for the decision, which it overwrites.
func (l *Lock) Ask(card *lockwirev1.Card, decision *lockwirev1.AccessDecision) error {
	if err := l.Send(card); err != nil {
		return err
	}
	return l.receive(lockwirev1.FrameType_FRAME_TYPE_ACCESS_DECISION, decision)
}

// Send asks about a card and does not wait.
func (l *Lock) Send(card *lockwirev1.Card) error {
	l.request.RequestId++
	l.request.EventSequence++
	l.request.Card, l.request.Direction = card, lockwirev1.Direction_DIRECTION_IN
	return l.send(lockwirev1.FrameType_FRAME_TYPE_ACCESS_REQUEST, &l.request)
}

// Report sends events, whose first has the sequence first, as one batch and waits until all are durable.
func (l *Lock) Report(first uint64, events []*lockwirev1.Event) error {
	l.request.RequestId++
	err := l.send(lockwirev1.FrameType_FRAME_TYPE_EVENT_BATCH, &lockwirev1.EventBatch{
		RequestId: l.request.RequestId, BootEpoch: 1, FirstSequence: first, Events: events,
	})
	last := first + uint64(len(events)) - 1
	for ack := new(lockwirev1.EventAck); err == nil && ack.GetDurableUpTo() < last; {
		ack.Reset()
		err = l.receive(lockwirev1.FrameType_FRAME_TYPE_EVENT_ACK, ack)
	}
	return err
}

// Wait returns when the connection ends, with why.
func (l *Lock) Wait() error {
	return l.receive(lockwirev1.FrameType_FRAME_TYPE_ERROR, new(lockwirev1.Error))
}

func (l *Lock) send(kind lockwirev1.FrameType, m proto.Message) error {
	frame, err := AppendFrame(l.out[:0], kind, m)
	if err != nil {
		return err
	}
	l.out = frame
	_, err = l.conn.Write(frame)
	return err
}

// AppendFrame appends a message's frame.
func AppendFrame(b []byte, kind lockwirev1.FrameType, m proto.Message) ([]byte, error) {
	start := len(b)
	b = append(b, 0, 0, 0, 0, version, byte(kind))
	b, err := proto.MarshalOptions{}.MarshalAppend(b, m)
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b, nil
}

// receive reads up to the wanted message and answers pings before it.
func (l *Lock) receive(want lockwirev1.FrameType, into proto.Message) error {
	for {
		kind, body, err := l.next()
		if err != nil {
			return err
		}
		switch kind {
		case want:
			return proto.Unmarshal(body, into)
		case lockwirev1.FrameType_FRAME_TYPE_PING:
			var ping lockwirev1.Ping
			if err := proto.Unmarshal(body, &ping); err != nil {
				return err
			}
			if err := l.send(lockwirev1.FrameType_FRAME_TYPE_PONG, &lockwirev1.Pong{Nonce: ping.GetNonce()}); err != nil {
				return err
			}
		case lockwirev1.FrameType_FRAME_TYPE_ERROR:
			var said lockwirev1.Error
			if err := proto.Unmarshal(body, &said); err != nil {
				return err
			}
			return fmt.Errorf("the gateway said %s: %s", said.GetCode(), said.GetText())
		default:
			return fmt.Errorf("the gateway sent %s instead of %s", kind, want)
		}
	}
}

// next reads a frame; the body is the buffer's until the next call.
func (l *Lock) next() (lockwirev1.FrameType, []byte, error) {
	head, err := l.in.Peek(header)
	if err != nil {
		return 0, nil, err
	}
	length, kind := int(binary.BigEndian.Uint32(head)), lockwirev1.FrameType(head[header-1])
	if length < 2 || length > maxLength || head[header-2] != version {
		return 0, nil, fmt.Errorf("not a frame: % x", head)
	}
	l.in.Discard(header)
	body := make([]byte, length-2)
	_, err = io.ReadFull(l.in, body)
	return kind, body, err
}
