package session_test

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/enroll"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/session"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
	"github.com/cardea-mesh/cardea/services/platform/pki"
	"google.golang.org/protobuf/proto"
)

func TestEachBadFrameIsToldAndCloses(t *testing.T) {
	p := newPlace(t)
	for _, c := range []struct {
		name, hex string
		code      lockwirev1.ErrorCode
	}{
		{"length 0", "00000000", lockwirev1.ErrorCode_ERROR_CODE_MALFORMED},
		{"length 1", "0000000101", lockwirev1.ErrorCode_ERROR_CODE_MALFORMED},
		{"length 65537", "00010001" + strings.Repeat("00", 70000), lockwirev1.ErrorCode_ERROR_CODE_MALFORMED},
		{"version 2", "000000020201", lockwirev1.ErrorCode_ERROR_CODE_UNSUPPORTED_VERSION},
		{"type 0", "000000020100", lockwirev1.ErrorCode_ERROR_CODE_UNKNOWN_TYPE},
		{"type 128", "000000020180", lockwirev1.ErrorCode_ERROR_CODE_UNKNOWN_TYPE},
		{"a gateway's message, and no protobuf", "000000040185ffff", lockwirev1.ErrorCode_ERROR_CODE_UNEXPECTED},
		{"version 2, unknown type, no protobuf", "0000000402ffffff", lockwirev1.ErrorCode_ERROR_CODE_UNSUPPORTED_VERSION},
		{"unknown critical type", "0000000201ff", lockwirev1.ErrorCode_ERROR_CODE_UNKNOWN_TYPE},
	} {
		for _, after := range []bool{false, true} {
			name := c.name + " before Hello"
			if after {
				name = c.name + " in a session"
			}
			t.Run(name, func(t *testing.T) {
				r := p.dial()
				if after {
					p.open(r)
				}
				b, err := hex.DecodeString(c.hex)
				p.must(err)
				_, err = r.Write(b)
				p.must(err)
				p.expectError(r, c.code)
			})
		}
	}
}

func TestUnknownTypesThatMayBeSkippedAre(t *testing.T) {
	p := newPlace(t)
	r := p.dial()
	p.open(r)
	b, _ := hex.DecodeString("00000005" + "01" + "7e" + "aabbcc")
	_, err := r.Write(b)
	p.must(err)
	p.must(r.w.Write(&lockwirev1.Ping{Nonce: 9}))
	m, err := r.r.Next()
	if pong, ok := m.(*lockwirev1.Pong); err != nil || !ok || pong.GetNonce() != 9 || pong.GetServerTimeMs() == 0 {
		t.Fatalf("%v, %v", m, err)
	}
}

func TestMessagesOutOfPlace(t *testing.T) {
	p := newPlace(t)
	request := &lockwirev1.AccessRequest{RequestId: 1, EventSequence: 2, Card: badge}
	const (
		unexpected = lockwirev1.ErrorCode_ERROR_CODE_UNEXPECTED
		malformed  = lockwirev1.ErrorCode_ERROR_CODE_MALFORMED
	)
	for _, c := range []struct {
		name string
		sent []proto.Message
		code lockwirev1.ErrorCode
	}{
		{"a request before Hello", []proto.Message{request}, unexpected},
		{"Ping before Hello", []proto.Message{&lockwirev1.Ping{}}, unexpected},
		{"a part before Hello", []proto.Message{&lockwirev1.Part{MessageId: 1, Type: 130, Parts: 1, Body: []byte{1}, Sha256: make([]byte, 32)}}, unexpected},
		{"a gateway's message", []proto.Message{&lockwirev1.Welcome{Session: []byte{1}, HeartbeatMs: 1000, EventCredit: 1, AccessCredit: 1}}, unexpected},
		{"two Hellos", []proto.Message{nil, nil}, unexpected},
		{"EnrollRequest in a session", []proto.Message{nil, &lockwirev1.EnrollRequest{ClaimSecret: "x", CertificateRequest: []byte{1}}}, unexpected},
		{"request_id twice", []proto.Message{nil, request, request}, malformed},
		{"a jump in the ring", []proto.Message{nil, batch(1, 1, 1), batch(2, 3, 1)}, malformed},
		{"a boot epoch to come", []proto.Message{nil, &lockwirev1.EventBatch{RequestId: 1, BootEpoch: 2, FirstSequence: 1, Events: []*lockwirev1.Event{{}}}}, malformed},
		{"another device", []proto.Message{&lockwirev1.Hello{DeviceId: "device_euc_x", BootEpoch: 1, Versions: []uint32{1}}}, lockwirev1.ErrorCode_ERROR_CODE_IDENTITY_MISMATCH},
		{"no common version", []proto.Message{&lockwirev1.Hello{DeviceId: "", BootEpoch: 1, Versions: []uint32{7}}}, lockwirev1.ErrorCode_ERROR_CODE_UNSUPPORTED_VERSION},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := p.dial()
			for _, m := range c.sent {
				if m == nil {
					m = r.hello()
				}
				if h, ok := m.(*lockwirev1.Hello); ok && h.GetDeviceId() == "" {
					h.DeviceId = r.device
				}
				p.must(r.w.Write(m))
			}
			p.expectError(r, c.code)
		})
	}
}

func TestALargeBatchInPartsIsReceived(t *testing.T) {
	p := newPlace(t)
	r := p.dial()
	p.open(r)
	batch := &lockwirev1.EventBatch{RequestId: 1, BootEpoch: 1, FirstSequence: 1}
	for range wire.MaxBatch {
		batch.Events = append(batch.Events, &lockwirev1.Event{Kind: lockwirev1.EventKind_EVENT_KIND_ACCESS, Receipt: make([]byte, 1024)})
	}
	p.must(r.w.Write(batch))
	m, err := r.r.Next()
	if ack, ok := m.(*lockwirev1.EventAck); err != nil || !ok || ack.GetReceivedUpTo() != wire.MaxBatch {
		t.Fatalf("%v, %v", m, err)
	}
}

func TestNoProtobufInASessionIsMalformed(t *testing.T) {
	p := newPlace(t)
	for _, frame := range []string{"000000040184ffff", "000000040101ffff"} {
		r := p.dial()
		p.open(r)
		b, err := hex.DecodeString(frame)
		p.must(err)
		_, err = r.Write(b)
		p.must(err)
		p.expectError(r, lockwirev1.ErrorCode_ERROR_CODE_MALFORMED)
	}
}

func TestPartsOfASmallMessageAndSkippedNumbersAreTaken(t *testing.T) {
	p := newPlace(t)
	r := p.dial()
	p.open(r)
	body, err := proto.Marshal(batch(7, 1, 3)) // request_id begins with 7
	p.must(err)
	hash := sha256.Sum256(body)
	for i, piece := range [][]byte{body[:2], body[2:]} {
		p.must(r.w.Write(&lockwirev1.Part{MessageId: 5, Type: 134, Part: uint32(i), Parts: 2, Body: piece, Sha256: hash[:]}))
	}
	if ack, failed := p.answer(r, 7); failed != nil || ack.GetReceivedUpTo() != 3 {
		t.Fatalf("%v %v", ack, failed)
	}
}

func TestOnlyWholeFramesCountAsALifeSign(t *testing.T) {
	p := newPlace(t, func(c *session.Config) { c.Heartbeat = time.Second })
	r := p.dial()
	p.open(r)
	began := time.Now()
	go func() { // a frame that never ends
		r.Write([]byte{0, 0, 0x10, 0, 1, 1})
		for time.Since(began) < 3*time.Second {
			if _, err := r.Write([]byte{0}); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	p.expectError(r, lockwirev1.ErrorCode_ERROR_CODE_TIMED_OUT)
}

func TestALockThatDoesNotDeclareACommandGetsNone(t *testing.T) {
	p := newPlace(t)
	r := p.dial()
	p.open(r)
	result, err := p.hub.Command(p.soon(), unlock("c", r.device))
	if err != nil || result.GetOutcome() != lockwirev1.CommandOutcome_COMMAND_OUTCOME_UNSUPPORTED {
		t.Fatalf("%v, %v", result, err)
	}
	p.must(r.w.Write(&lockwirev1.Ping{Nonce: 3}))
	if m, err := r.r.Next(); wire.TypeOf(m) != lockwirev1.FrameType_FRAME_TYPE_PONG {
		t.Fatalf("%v, %v", m, err)
	}
}

func TestALockThatSaysNothingIsToldAndClosed(t *testing.T) {
	p := newPlace(t, func(c *session.Config) { c.HelloTimeout, c.Heartbeat = 50*time.Millisecond, time.Second })
	p.expectError(p.dial(), lockwirev1.ErrorCode_ERROR_CODE_TIMED_OUT)
	r := p.dial()
	p.open(r)
	p.expectError(r, lockwirev1.ErrorCode_ERROR_CODE_TIMED_OUT)
}

func TestAFloodIsOverTheLimit(t *testing.T) {
	p := newPlace(t)
	r := p.dial()
	p.open(r)
	go func() {
		for range 2000 {
			if r.w.Write(&lockwirev1.Ping{}) != nil {
				return
			}
		}
	}()
	p.expectError(r, lockwirev1.ErrorCode_ERROR_CODE_OVER_LIMIT)
}

func TestCertificatesThatAreNotGood(t *testing.T) {
	p := newPlace(t)
	_, expired := p.identity(-time.Minute)
	other, err := pki.NewRoot("another root", time.Now().Add(time.Hour))
	p.must(err)
	stranger, err := other.IssueServiceFor("eu", "eu-central", "x", time.Hour)
	p.must(err)
	foreign, err := stranger.TLS()
	p.must(err)
	for name, c := range map[string]struct {
		certs    []tls.Certificate
		protocol string
		alert    string
	}{
		"expired":      {[]tls.Certificate{expired}, wire.ALPNSession, "expired"},
		"another root": {[]tls.Certificate{foreign}, wire.ALPNSession, "certificate"},
		"none":         {nil, wire.ALPNSession, "certificate required"},
	} {
		t.Run(name, func(t *testing.T) {
			conf := p.clientTLS(tls.Certificate{}, c.protocol)
			conf.Certificates = nil
			conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if len(c.certs) == 0 {
					return &tls.Certificate{}, nil
				}
				return &c.certs[0], nil
			}
			conn, err := tls.Dial("tcp", p.address, conf)
			if err == nil {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(5 * time.Second))
				_, err = conn.Read(make([]byte, 1))
			}
			if err == nil || err == io.EOF || !strings.Contains(err.Error(), c.alert) {
				t.Fatalf("%v, wanted an alert with %q", err, c.alert)
			}
		})
	}
	for protocol, alert := range map[string]string{"http/1.1": "no application protocol", "cardea-lockwire/2": "no application protocol", "": "internal error"} {
		conf := p.clientTLS(tls.Certificate{}, protocol)
		if protocol == "" {
			conf.NextProtos = nil
		}
		if _, err := tls.Dial("tcp", p.address, conf); err == nil || !strings.Contains(err.Error(), alert) {
			t.Errorf("protocol %q: %v, wanted the alert %q", protocol, err, alert)
		}
	}
}

func TestAnUnknownDeviceWaitsAndARevokedOneIsRefused(t *testing.T) {
	p := newPlace(t)
	r := p.dial()
	p.settle()
	p.remove(p.siteKey("device", r.device))
	p.settle()
	p.must(r.w.Write(r.hello()))
	p.expectError(r, lockwirev1.ErrorCode_ERROR_CODE_DEVICE_REFUSED)
}

func TestEnrolment(t *testing.T) {
	p := newPlace(t)
	code := p.claim()
	store := new(locksim.Memory)
	device, err := locksim.Enroll(p.soon(), store, p.address, code)
	p.must(err)
	if got, ok, err := locksim.Enrolled(store); err != nil || !ok || got != device {
		t.Fatalf("%q, %v, %v", got, ok, err)
	}
	var said *locksim.ProtocolError
	if _, err := locksim.Enroll(p.soon(), new(locksim.Memory), p.address, code); !errors.As(err, &said) || said.Code != lockwirev1.ErrorCode_ERROR_CODE_CLAIM_REFUSED {
		t.Fatalf("the second use of a claim code: %v", err)
	}
	other, err := pki.NewRoot("another root", time.Now().Add(time.Hour))
	p.must(err)
	secret, _, _ := strings.Cut(p.claim(), ".")
	if _, err := locksim.Enroll(p.soon(), new(locksim.Memory), p.address, enroll.Secret(secret).Code(enroll.NewAuthority(other).Fingerprint())); !errors.Is(err, locksim.ErrWrongRoot) {
		t.Fatalf("a claim code of another root: %v", err)
	}
	// The secret was not sent, so it is still good.
	if _, err := locksim.Enroll(p.soon(), new(locksim.Memory), p.address, secret+"."+p.authority.Fingerprint()); err != nil {
		t.Fatal(err)
	}
}

func TestBadEnrolmentsAreTold(t *testing.T) {
	p := newPlace(t)
	for name, c := range map[string]struct {
		m    proto.Message
		code lockwirev1.ErrorCode
	}{
		"no certificate request": {&lockwirev1.EnrollRequest{ClaimSecret: "x", CertificateRequest: []byte("garbage")}, lockwirev1.ErrorCode_ERROR_CODE_BAD_CERTIFICATE_REQUEST},
		"something else":         {&lockwirev1.Ping{}, lockwirev1.ErrorCode_ERROR_CODE_UNEXPECTED},
	} {
		t.Run(name, func(t *testing.T) {
			conf := p.clientTLS(tls.Certificate{}, wire.ALPNEnroll)
			conf.Certificates = nil
			conn, err := tls.Dial("tcp", p.address, conf)
			p.must(err)
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(5 * time.Second))
			r := &raw{Conn: conn, w: wire.NewWriter(conn), r: wire.NewReader(conn, wire.Limits{})}
			p.must(r.w.Write(c.m))
			p.expectError(r, c.code)
		})
	}
}
