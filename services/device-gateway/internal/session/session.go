package session

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/enroll"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"google.golang.org/protobuf/proto"
)

const (
	writeTimeout = 10 * time.Second
	// lingerTime and lingerBytes bound how long a closing session reads on, so that its Error reaches the lock: closing a
	// socket with unread bytes resets it.
	lingerTime  = time.Second
	lingerBytes = 1 << 20
	// joinedLimit is the largest message in parts, as PROTOCOL.md says.
	joinedLimit = 1 << 19
	// credits as told in Welcome.
	eventCredit  = 4
	accessCredit = 4
	// maxEpochs is how many boot epochs a session may send events of.
	maxEpochs = 1024
	// framesPerSecond and frameBurst bound what one lock may send.
	framesPerSecond = 200
	frameBurst      = 400
	// retryAfter is what a lock is told when the gateway cannot do it now.
	retryAfter = 1000 * time.Millisecond
)

// session is one lock's connection.
type session struct {
	hub      *Hub
	conn     *tls.Conn
	identity enroll.Identity
	deviceID string
	reader   *wire.Reader
	open     atomic.Bool
	// reason is set by shut, once.
	reason atomic.Pointer[shutdown]
	// gone is made, under the hub's mu, by a newer connection of the same session, which waits for it to be closed.
	gone chan struct{}

	// Hello's, from Welcome on.
	firmware, model string
	capabilities    []string
	since           time.Time // when Welcome was sent
	// lane is about what the lock may decide alone; nil: this gateway gives nothing.
	lane *lane

	// renewing: a certificate request is under way.
	renewing atomic.Bool

	// The reading goroutine's, where it is not said otherwise.
	device    access.Device
	renewNext time.Time // no certificate request before
	carried

	worker sync.WaitGroup

	// wmu guards the writer and closing: the Error that ends the session was sent, and nothing comes after it.
	wmu     sync.Mutex
	writer  *wire.Writer
	closing bool

	// mu guards what follows; it is never held while writing.
	mu       sync.Mutex
	batches  []*lockwirev1.EventBatch
	inFlight int
	working  bool
	nudge    chan struct{}
	over     bool // nothing can be ordered any more
}

// shutdown is why a session was ended from outside; told is closed when the lock was told, or could not be.
type shutdown struct {
	*wire.ProtocolError
	told chan struct{}
}

func newSession(h *Hub, conn *tls.Conn, id enroll.Identity) *session {
	name := make([]byte, 16)
	rand.Read(name) // never fails
	return &session{
		hub: h, conn: conn, identity: id, deviceID: string(id.Device),
		reader: wire.NewReader(conn, wire.Limits{Joined: joinedLimit}), writer: wire.NewWriter(conn),
		carried: carried{
			id: name, limit: bucket{tokens: frameBurst, at: time.Now()}, sent: map[uint64]*sent{}, progress: map[uint64]*progress{},
		},
	}
}

// run greets the lock and answers it until something ends the session; it always returns an error.
func (s *session) run(ctx context.Context) error {
	if wait := s.hub.churn.begin(s.deviceID, time.Now()); wait > 0 {
		return tooOften(wait)
	}
	if err := s.greet(ctx); err != nil {
		return err
	}
	s.reader.Accept(
		lockwirev1.FrameType_FRAME_TYPE_ACCESS_REQUEST, lockwirev1.FrameType_FRAME_TYPE_EVENT_BATCH,
		lockwirev1.FrameType_FRAME_TYPE_COMMAND_RESULT, lockwirev1.FrameType_FRAME_TYPE_BUNDLE_ACK, lockwirev1.FrameType_FRAME_TYPE_PING,
		lockwirev1.FrameType_FRAME_TYPE_CERTIFICATE_REQUEST,
		lockwirev1.FrameType_FRAME_TYPE_PONG, lockwirev1.FrameType_FRAME_TYPE_ERROR, lockwirev1.FrameType_FRAME_TYPE_PART)
	s.reader.OnFrame(s.frameCame)
	s.beginBundles()
	s.conn.SetReadDeadline(time.Now().Add(2 * s.hub.cfg.Heartbeat))
	for {
		if s.reason.Load() != nil {
			return io.EOF
		}
		m, err := s.reader.Next()
		if err != nil {
			return err
		}
		if err := s.handle(ctx, m); err != nil {
			return err
		}
	}
}

// frameCame notes a whole frame: the lock is there, and has so many a second.
func (s *session) frameCame() error {
	s.conn.SetReadDeadline(time.Now().Add(2 * s.hub.cfg.Heartbeat))
	if s.reason.Load() != nil {
		return io.EOF // the deadline that woke the reader may just have been replaced
	}
	if !s.limit.take(time.Now()) {
		return &wire.ProtocolError{
			Code: lockwirev1.ErrorCode_ERROR_CODE_OVER_LIMIT, Text: "too many frames", RetryAfterMS: uint32(retryAfter.Milliseconds()),
		}
	}
	return nil
}

// handle answers one message of an open session.
func (s *session) handle(ctx context.Context, m proto.Message) error {
	switch m := m.(type) {
	case *lockwirev1.AccessRequest:
		return s.access(ctx, m)
	case *lockwirev1.EventBatch:
		return s.eventBatch(ctx, m)
	case *lockwirev1.CommandResult:
		s.commandResult(m)
		return nil
	case *lockwirev1.CertificateRequest:
		return s.certificateRequest(ctx, m)
	case *lockwirev1.Ping:
		return s.send(&lockwirev1.Pong{Nonce: m.GetNonce(), ServerTimeMs: s.nowMS()})
	case *lockwirev1.BundleAck:
		s.bundleAck(m)
		return nil
	case *lockwirev1.Pong:
		return nil
	case *lockwirev1.Error:
		s.hub.cfg.Logger.WarnContext(ctx, "a lock found fault with the gateway", "device", s.deviceID, "code", m.GetCode().String())
		return io.EOF
	default:
		return wire.Unexpected("%s in an open session", wire.TypeOf(m))
	}
}

// request holds a request's id to the rule that they rise.
func (s *session) request(id uint64) error {
	if id <= s.lastRequest {
		return &wire.ProtocolError{
			Code: lockwirev1.ErrorCode_ERROR_CODE_MALFORMED, RequestID: id, Text: "request_id does not rise",
		}
	}
	s.lastRequest = id
	return nil
}

// send writes one message; a lock that does not read for writeTimeout fails it.
func (s *session) send(m proto.Message) error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	return s.write(m)
}

// sendLast sends the Error that ends the session.
func (s *session) sendLast(m proto.Message) error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	err := s.write(m)
	s.closing = true
	return err
}

// write is called with wmu held.
func (s *session) write(m proto.Message) error {
	if s.closing {
		return net.ErrClosed
	}
	s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	err := s.writer.Write(m)
	if err != nil {
		s.conn.NetConn().Close() // nothing can be sent any more: the session ends, whoever wrote
	}
	return err
}

// shut ends the session from outside: the lock is told why. It does not block.
func (s *session) shut(reason *wire.ProtocolError) {
	end := &shutdown{reason, make(chan struct{})}
	if !s.reason.CompareAndSwap(nil, end) {
		return
	}
	go func() {
		defer close(end.told)
		s.sendLast(reason.Message())
		s.conn.SetReadDeadline(time.Unix(1, 0)) // wakes the reader
	}()
}

// end tells the lock why, unless it left or was told, and closes the connection so that it can read that.
func (s *session) end(err error) {
	defer s.conn.Close()
	s.open.Store(false)
	reason := asProtocolError(err)
	if end := s.reason.Load(); end != nil {
		<-end.told
		reason = end.ProtocolError
	} else if reason == nil || s.sendLast(reason.Message()) != nil {
		return
	}
	s.hub.cfg.Logger.Info("closed a lock's session", "device", s.deviceID, "code", reason.Code.String(), "reason", reason.Text)
	if s.conn.CloseWrite() != nil {
		return
	}
	s.conn.NetConn().SetReadDeadline(time.Now().Add(lingerTime))
	io.CopyN(io.Discard, s.conn.NetConn(), lingerBytes)
}

// asProtocolError is what the lock is told about err; nil when it is gone.
func asProtocolError(err error) *wire.ProtocolError {
	var e *wire.ProtocolError
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &wire.ProtocolError{Code: lockwirev1.ErrorCode_ERROR_CODE_TIMED_OUT, Text: "nothing came for too long"}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return nil
	default:
		return nil // the connection broke
	}
}

func (s *session) nowMS() uint64 { return uint64(s.hub.cfg.Now().UnixMilli()) }

func refused(text string) *wire.ProtocolError {
	return &wire.ProtocolError{Code: lockwirev1.ErrorCode_ERROR_CODE_DEVICE_REFUSED, Text: text}
}

func unavailable(request uint64, text string) *wire.ProtocolError {
	return &wire.ProtocolError{
		Code: lockwirev1.ErrorCode_ERROR_CODE_UNAVAILABLE, RequestID: request, Text: text, RetryAfterMS: uint32(retryAfter.Milliseconds()),
	}
}

// bucket is a token bucket.
type bucket struct {
	tokens float64
	at     time.Time
}

func (b *bucket) take(now time.Time) bool {
	b.tokens = min(frameBurst, b.tokens+now.Sub(b.at).Seconds()*framesPerSecond)
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
