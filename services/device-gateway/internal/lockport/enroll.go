package lockport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/enroll"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/proto"
)

const (
	enrollTimeout = 10 * time.Second
	// enrollLength is the largest frame before anybody is known.
	enrollLength = 8192
)

// Enroller exchanges a claim's secret for a certificate, once. Errors: enroll.ErrClaimRefused; any other means that it cannot be
// done now and the secret was not used up.
type Enroller interface {
	Enroll(ctx context.Context, secret enroll.Secret, request enroll.Request) (device region.ID, certificate []byte, err error)
}

const (
	// lingerTime and lingerBytes bound how long an enrolment's connection is read on after its answer, so that the answer reaches the peer: closing a
	// socket with unread bytes resets it.
	lingerTime  = time.Second
	lingerBytes = 1 << 17
)

// enroll answers one EnrollRequest and closes.
func (p *Port) enroll(ctx context.Context, conn *tls.Conn, address netip.Addr) {
	raw := conn.NetConn()
	defer raw.Close()
	if p.enrolmentAnswered(ctx, conn, address) {
		linger(raw) // without what TLS holds
	}
}

// enrolmentAnswered says whether an answer was sent.
func (p *Port) enrolmentAnswered(ctx context.Context, conn *tls.Conn, address netip.Addr) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*enrollTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.NetConn().Close() })
	defer stop()
	answer, err := p.enrolled(ctx, conn, address)
	if err != nil {
		refusal := refusalOf(err)
		p.warn(ctx, "enrolment failed", "address", conn.RemoteAddr().String(), "code", refusal.Code.String(), "error", err)
		answer = refusal.Message()
	}
	conn.SetWriteDeadline(time.Now().Add(enrollTimeout))
	return wire.NewWriter(conn).Write(answer) == nil && conn.CloseWrite() == nil
}

// linger reads what a peer still sends until it closes, as far as it is let.
func linger(conn net.Conn) {
	conn.SetReadDeadline(time.Now().Add(lingerTime))
	var b [512]byte
	for left := lingerBytes; left > 0; {
		n, err := conn.Read(b[:])
		if err != nil {
			return
		}
		left -= n
	}
}

func (p *Port) enrolled(ctx context.Context, conn *tls.Conn, address netip.Addr) (proto.Message, error) {
	if wait := p.places.enrolment(address); wait > 0 {
		return nil, &wire.ProtocolError{
			Code: lockwirev1.ErrorCode_ERROR_CODE_OVER_LIMIT, Text: "too many enrolments from this address", RetryAfterMS: uint32(wait.Milliseconds()) + 1,
		}
	}
	conn.SetReadDeadline(time.Now().Add(enrollTimeout))
	reader := wire.NewReader(conn, wire.Limits{Length: enrollLength})
	reader.Accept(lockwirev1.FrameType_FRAME_TYPE_ENROLL_REQUEST)
	m, err := reader.Next()
	if err != nil {
		return nil, err
	}
	message, ok := m.(*lockwirev1.EnrollRequest)
	if !ok {
		return nil, wire.Unexpected("%s where EnrollRequest was due", wire.TypeOf(m))
	}
	request, err := enroll.ParseRequest(message.GetCertificateRequest())
	if err != nil {
		return nil, err
	}
	device, certificate, err := p.cfg.Enroller.Enroll(ctx, enroll.Secret(message.GetClaimSecret()), request)
	if err != nil {
		return nil, err
	}
	p.cfg.Logger.InfoContext(ctx, "a lock enrolled", "device", string(device))
	return &lockwirev1.EnrollResponse{
		DeviceId: string(device), CertificateChain: [][]byte{certificate}, Roots: p.cfg.Authority.RootsDER(),
		Endpoints: p.cfg.Endpoints(device), ServerTimeMs: uint64(p.cfg.Now().UnixMilli()),
	}, nil
}

func refusalOf(err error) *wire.ProtocolError {
	var e *wire.ProtocolError
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, enroll.ErrClaimRefused):
		return &wire.ProtocolError{Code: lockwirev1.ErrorCode_ERROR_CODE_CLAIM_REFUSED, Text: "the claim code is unknown, was used, or has ended"}
	case errors.Is(err, enroll.ErrBadRequest):
		return &wire.ProtocolError{Code: lockwirev1.ErrorCode_ERROR_CODE_BAD_CERTIFICATE_REQUEST, Text: err.Error()}
	case isTimeout(err):
		return &wire.ProtocolError{Code: lockwirev1.ErrorCode_ERROR_CODE_TIMED_OUT, Text: "no EnrollRequest came in time"}
	default:
		return &wire.ProtocolError{Code: lockwirev1.ErrorCode_ERROR_CODE_UNAVAILABLE, Text: "cannot enrol now", RetryAfterMS: 5000}
	}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
