package gateway_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	gateway "github.com/cardea-mesh/cardea/services/device-gateway"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"github.com/cardea-mesh/cardea/services/device-gateway/lockconformance"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// TestTheGatewayKeepsTheRules runs every rule of PROTOCOL.md that binds a gateway against a real one.
func TestTheGatewayKeepsTheRules(t *testing.T) {
	p := newPlace(t)
	p.offline(permissionsv1.OfflineAfter_OFFLINE_AFTER_STAY_SECURE)
	g := p.start("")
	report, err := lockconformance.Gateway(t.Context(), lockconformance.GatewayConfig{
		Address: g.locks, Claims: g.claims(5), Card: badge, Bundle: true, Operator: commander{g}, Out: t.Output(),
	})
	p.must(err)
	if failed := report.Failed(); len(failed) > 0 {
		t.Errorf("failed: %v", failed)
	}
	if n := report.Count(lockconformance.Pass); n < 70 {
		t.Errorf("only %d rules were looked at", n)
	}
}

// commander commands the gateway as its customer does.
type commander struct{ *running }

// Unlock implements lockconformance.GatewayOperator.
func (c commander) Unlock(_ context.Context, device string) error {
	p := c.place
	client := c.service(gateway.Service)
	go client.DeliverCommand(p.t.Context(), &gatewayv1.DeliverCommandRequest{
		OrgId: string(p.org), Region: string(home), DeviceId: device, CommandId: string(region.NewID(region.Command, "euc")),
		NotAfter: timestamppb.New(time.Now().Add(50 * time.Second)),
		Command:  &lockwirev1.Command{Action: &lockwirev1.Command_Unlock{Unlock: &lockwirev1.Unlock{UnlockMs: 1000}}},
	})
	return nil
}

// TakeCard implements lockconformance.GatewayOperator.
func (c commander) TakeCard(context.Context) error {
	c.place.remove(outbox.SiteKey(c.place.org, c.place.site, "grant", c.place.grant))
	return nil
}

// Revoke implements lockconformance.GatewayOperator.
func (c commander) Revoke(ctx context.Context, device string) error {
	_, err := c.client("devices.write").RevokeDevice(ctx, &gatewayv1.RevokeDeviceRequest{OrgId: string(c.place.org), DeviceId: device})
	return err
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
	g := p.start("", func(parts *gateway.Parts) { parts.Limits.MaxReconnectsPerDevice = 11 })
	report, err := lockconformance.Gateway(t.Context(), lockconformance.GatewayConfig{
		Address: g.locks, Claims: g.claims(1), Out: t.Output(),
		Only: []string{"R-FRAME-1", "R-FRAME-2", "R-FRAME-3", "R-FRAME-5", "R-FRAME-6", "R-FRAME-7", "R-HELLO-1"}, // 12 sessions
	})
	p.must(err)
	if report.Count(lockconformance.Pass) != 7 {
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
