package gateway_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	gateway "github.com/cardea-mesh/cardea/services/device-gateway"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"github.com/cardea-mesh/cardea/services/device-gateway/lockconformance"
)

// TestTheGatewayKeepsTheRules runs every rule of PROTOCOL.md that binds a gateway against a real one.
func TestTheGatewayKeepsTheRules(t *testing.T) {
	p := newPlace(t)
	g := p.start("")
	report, err := lockconformance.Gateway(t.Context(), lockconformance.GatewayConfig{
		Address: g.locks, Claims: g.claims(4), Card: badge, Out: t.Output(),
	})
	p.must(err)
	if failed := report.Failed(); len(failed) > 0 {
		t.Errorf("failed: %v", failed)
	}
	if n := report.Count(lockconformance.Pass); n < 45 {
		t.Errorf("only %d rules were looked at", n)
	}
}

// claims makes devices at the door, for their claim codes.
func (r *running) claims(n int) (codes []string) {
	for range n {
		codes = append(codes, r.device().GetClaimCode())
	}
	return codes
}

// TestTheKitKeepsTheLimit: with one device at a gateway that lets few sessions begin it waits as it is told, and sees no fault in that.
func TestTheKitKeepsTheLimit(t *testing.T) {
	p := newPlace(t)
	g := p.start("", func(parts *gateway.Parts) { parts.Limits.MaxReconnectsPerDevice = 4 })
	report, err := lockconformance.Gateway(t.Context(), lockconformance.GatewayConfig{
		Address: g.locks, Claims: g.claims(1), Out: t.Output(), Only: []string{"R-FRAME-1", "R-HELLO-1", "R-HELLO-5"},
	})
	p.must(err)
	if report.Count(lockconformance.Pass) != 3 {
		t.Errorf("%v", report)
	}
}

// TestAGatewayThatAnswersNoPingFails: one that greets and then says nothing keeps some rules, and not these.
func TestAGatewayThatAnswersNoPingFails(t *testing.T) {
	p := newPlace(t)
	address := p.deafGateway()
	fingerprint := p.root.Fingerprint()
	report, err := lockconformance.Gateway(t.Context(), lockconformance.GatewayConfig{
		Address: address, Claims: []string{"x." + base64.RawURLEncoding.EncodeToString(fingerprint[:])}, Out: t.Output(), Patience: 5 * time.Second,
		Only: []string{"R-TLS-4", "R-HELLO-5", "R-BEAT-1", "R-FRAME-1"},
	})
	p.must(err)
	if failed := report.Failed(); !slices.Equal(failed, []string{"R-FRAME-1", "R-BEAT-1"}) {
		t.Errorf("failed: %v", failed)
	}
}

// deafGateway enrols and greets every lock, and hears nothing else.
func (p *place) deafGateway() string {
	pair, err := p.root.IssueServer("gateway.cardea")
	p.must(err)
	cert, err := pair.TLS()
	p.must(err)
	cert.Certificate = append(cert.Certificate[:1:1], p.root.Certificate().Raw)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{cert}, NextProtos: []string{wire.ALPNSession, wire.ALPNEnroll}, ClientAuth: tls.RequestClientCert,
	})
	p.must(err)
	p.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go p.greetOnly(conn)
		}
	}()
	return l.Addr().String()
}

func (p *place) greetOnly(conn net.Conn) {
	defer conn.Close()
	w := wire.NewWriter(conn)
	m, err := wire.NewReader(conn, wire.Limits{}).Next()
	if err != nil {
		return
	}
	switch m := m.(type) {
	case *lockwirev1.EnrollRequest:
		csr, err := x509.ParseCertificateRequest(m.GetCertificateRequest())
		if err != nil {
			w.Write(&lockwirev1.Error{Code: lockwirev1.ErrorCode_ERROR_CODE_BAD_CERTIFICATE_REQUEST})
			return
		}
		der, err := p.root.SignDevice(csr, "device_euc_1", string(p.org), time.Hour)
		if err == nil {
			w.Write(&lockwirev1.EnrollResponse{DeviceId: "device_euc_1", CertificateChain: [][]byte{der}, Roots: [][]byte{p.root.Certificate().Raw}})
		}
	case *lockwirev1.Hello:
		w.Write(&lockwirev1.Welcome{Session: []byte{1}, HeartbeatMs: 30_000, Version: 1, EventCredit: 1, AccessCredit: 1})
		io.Copy(io.Discard, conn)
	}
}
