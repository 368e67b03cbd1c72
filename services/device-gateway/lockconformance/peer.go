package lockconformance

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"google.golang.org/protobuf/proto"
)

// patience is how long an answer is waited for that the protocol does not time.
const patience = 5 * time.Second

// peer is a connection to the one under test.
type peer struct {
	conn *tls.Conn
	r    *wire.Reader
	w    *wire.Writer
}

func newPeer(conn *tls.Conn) *peer {
	return &peer{conn: conn, r: wire.NewReader(conn, wire.Limits{Joined: wire.JoinedToLock}), w: wire.NewWriter(conn)}
}

// close ends the connection rightly, with close_notify.
func (p *peer) close() { p.conn.Close() }

// cut breaks it.
func (p *peer) cut() { p.conn.NetConn().Close() }

func (p *peer) send(messages ...proto.Message) error {
	p.conn.SetWriteDeadline(time.Now().Add(patience))
	for _, m := range messages {
		if err := p.w.Write(m); err != nil {
			return err
		}
	}
	return nil
}

// raw sends bytes as they are.
func (p *peer) raw(b []byte) error {
	p.conn.SetWriteDeadline(time.Now().Add(patience))
	_, err := p.conn.Write(b)
	return err
}

// frame sends a body of any type, unchecked.
func (p *peer) frame(kind byte, body []byte) error {
	b, err := wire.AppendFrame(nil, wire.Frame{Type: lockwirev1.FrameType(kind), Body: body})
	if err != nil {
		// Type 0 is none that the codec writes.
		b = append([]byte{0, 0, byte((len(body) + 2) >> 8), byte(len(body) + 2), 1, kind}, body...)
	}
	return p.raw(b)
}

// unchecked sends a message that may be outside of its limits.
func (p *peer) unchecked(m proto.Message) error {
	body, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	return p.frame(byte(wire.TypeOf(m)), body)
}

// next is the next message that comes in time.
func (p *peer) next(wait time.Duration) (proto.Message, error) {
	p.conn.SetReadDeadline(time.Now().Add(wait))
	m, err := p.r.Next()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, fmt.Errorf("nothing came for %s", wait)
	}
	return m, err
}

// await is the next message of a type; others are passed over, but an Error that was not asked for ends the wait.
func await[T proto.Message](p *peer, wait time.Duration) (T, error) {
	var none T
	end := time.Now().Add(wait)
	for {
		m, err := p.next(time.Until(end))
		if err != nil {
			return none, fmt.Errorf("waiting for %s: %w", name(none), err)
		}
		if got, ok := m.(T); ok {
			return got, nil
		}
		if e, ok := m.(*lockwirev1.Error); ok {
			return none, fmt.Errorf("waiting for %s: %w", name(none), wire.FromMessage(e))
		}
	}
}

func name(m proto.Message) string { return string(m.ProtoReflect().Descriptor().Name()) }

// code is an error code in the page's words.
func code(c lockwirev1.ErrorCode) string { return c.String()[len("ERROR_CODE_"):] }

// refused waits for an Error with a code and then for the end of the connection.
func (p *peer) refused(want lockwirev1.ErrorCode) error {
	end := time.Now().Add(patience)
	for {
		m, err := p.next(time.Until(end))
		if err != nil {
			return fmt.Errorf("no Error %s: %w", code(want), err)
		}
		e, ok := m.(*lockwirev1.Error)
		if !ok {
			continue
		}
		if e.GetCode() != want {
			return fmt.Errorf("Error %s (%s) where %s was due", code(e.GetCode()), e.GetText(), code(want))
		}
		return p.ends()
	}
}

// ends waits for the end of the connection.
func (p *peer) ends() error {
	end := time.Now().Add(patience)
	for {
		p.conn.SetReadDeadline(end)
		_, err := p.r.Next()
		var protocol *wire.ProtocolError
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("the connection is still open %s later", patience)
		case errors.As(err, &protocol):
			return err
		default:
			return nil
		}
	}
}

// alive looks whether the session goes on.
func (p *peer) alive() error {
	nonce := uint64(time.Now().UnixNano())
	if err := p.send(&lockwirev1.Ping{Nonce: nonce}); err != nil {
		return err
	}
	end := time.Now().Add(patience)
	for {
		pong, err := await[*lockwirev1.Pong](p, time.Until(end))
		if err != nil {
			return fmt.Errorf("the session does not go on: %w", err)
		}
		if pong.GetNonce() == nonce {
			return nil
		}
	}
}

// broke says whether an error is the connection's end.
func broke(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &op)
}
