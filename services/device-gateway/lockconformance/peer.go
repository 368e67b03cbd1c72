package lockconformance

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"google.golang.org/protobuf/proto"
)

// defaultPatience is how long something is waited for that has to come, also where the protocol names a shorter time: how fast the
// machine and the line are cannot be told from how fast the one under test is. What must not come is waited for in the
// protocol's own times.
const defaultPatience = 30 * time.Second

// peer is a connection to the one under test.
type peer struct {
	conn *tls.Conn
	w    *wire.Writer
	// came has what was read, in order; the last has the error.
	came     chan arrival
	last     error // of a read that failed
	opened   bool  // something came
	patience time.Duration
	done     chan struct{}
	leave    sync.Once
}

type arrival struct {
	m   proto.Message
	err error
}

func newPeer(conn *tls.Conn, patience time.Duration) *peer {
	p := &peer{conn: conn, w: wire.NewWriter(conn), came: make(chan arrival, 64), done: make(chan struct{}), patience: patience}
	go p.read(wire.NewReader(conn, wire.Limits{Joined: wire.JoinedToLock}))
	return p
}

// read reads until it cannot. No read is ever given up half way, so a wait that ends leaves the connection whole.
func (p *peer) read(r *wire.Reader) {
	for {
		m, err := r.Next()
		select {
		case p.came <- arrival{m, err}:
		case <-p.done:
			return
		}
		if err != nil {
			return
		}
	}
}

// close ends the connection rightly, with close_notify.
func (p *peer) close() {
	p.leave.Do(func() { close(p.done) })
	p.conn.Close()
}

// cut breaks it.
func (p *peer) cut() {
	p.leave.Do(func() { close(p.done) })
	p.conn.NetConn().Close()
}

func (p *peer) send(messages ...proto.Message) error {
	p.conn.SetWriteDeadline(time.Now().Add(p.patience))
	for _, m := range messages {
		if err := p.w.Write(m); err != nil {
			return err
		}
	}
	return nil
}

// raw sends bytes as they are.
func (p *peer) raw(b []byte) error {
	p.conn.SetWriteDeadline(time.Now().Add(p.patience))
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
	if p.last != nil {
		return nil, p.last
	}
	select {
	case got := <-p.came: // also when there is no time left
		return p.take(got)
	default:
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case got := <-p.came:
		return p.take(got)
	case <-timer.C:
		return nil, fmt.Errorf("%w in %s", errNothing, wait.Round(100*time.Millisecond))
	}
}

var errNothing = errors.New("it did not come")

func (p *peer) take(got arrival) (proto.Message, error) {
	if got.err != nil {
		p.last = got.err
		return nil, got.err
	}
	e, refusal := got.m.(*lockwirev1.Error)
	if !p.opened && refusal && e.GetCode() == lockwirev1.ErrorCode_ERROR_CODE_OVER_LIMIT && e.GetRetryAfterMs() > 0 {
		return nil, &notNow{after: time.Duration(e.GetRetryAfterMs()) * time.Millisecond, text: e.GetText()}
	}
	p.opened = true
	return got.m, nil
}

// notNow is a gateway that lets nobody in for now (R-RATE-2, or the enrolments of an address): as a lock does, the kit comes again.
type notNow struct {
	after time.Duration
	text  string
}

func (n *notNow) Error() string { return "OVER_LIMIT: " + n.text }

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
	end := time.Now().Add(p.patience)
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

// ends waits for the end of the connection; what comes before it does not count.
func (p *peer) ends() error {
	end := time.Now().Add(p.patience)
	for {
		_, err := p.next(time.Until(end))
		var protocol *wire.ProtocolError
		switch {
		case err == nil:
		case errors.Is(err, errNothing):
			return fmt.Errorf("the connection is still open %s later", p.patience)
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
	end := time.Now().Add(p.patience)
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

// ended hides that an error is a connection's end from who would try again.
func ended(err error) error {
	if broke(err) {
		return errors.New("the connection ended")
	}
	return err
}

// broke says whether an error is the connection's end.
func broke(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &op)
}
