package session_test

import (
	"crypto/tls"
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/session"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
)

// A ticket does not save a device that was revoked since.
func TestARevokedDeviceThatResumesTLSIsRefused(t *testing.T) {
	p := newPlace(t)
	device, cert := p.identity(time.Hour)
	config := p.clientTLS(cert, wire.ALPNSession)
	config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	dial := func() *raw {
		conn, err := tls.Dial("tcp", p.address, config)
		p.must(err)
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		return &raw{Conn: conn, device: device, w: wire.NewWriter(conn), r: wire.NewReader(conn, wire.Limits{})}
	}
	p.open(dial())
	again := dial()
	p.open(again)
	if !again.ConnectionState().DidResume {
		t.Fatal("TLS was not resumed")
	}
	p.remove(p.siteKey("device", device))
	p.expectError(again, lockwirev1.ErrorCode_ERROR_CODE_DEVICE_REFUSED)
	refused := dial()
	if !refused.ConnectionState().DidResume {
		t.Fatal("TLS was not resumed")
	}
	p.must(refused.w.Write(refused.hello()))
	p.expectError(refused, lockwirev1.ErrorCode_ERROR_CODE_DEVICE_REFUSED)
}

func TestADeviceThatComesTooOftenIsToldWhenToComeBack(t *testing.T) {
	p := newPlace(t, func(c *session.Config) { c.MaxReconnects = 3 })
	device, cert := p.identity(time.Hour)
	for range 3 {
		p.open(p.dialAs(device, cert))
	}
	r := p.dialAs(device, cert)
	if e := p.expectError(r, lockwirev1.ErrorCode_ERROR_CODE_OVER_LIMIT); e.GetRetryAfterMs() < 1000 {
		t.Fatalf("%v", e)
	}
	p.open(p.dial()) // another device
}
