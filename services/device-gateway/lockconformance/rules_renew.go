package lockconformance

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
)

func renewalRules() []rule {
	return []rule{
		{name: "R-RENEW-1", lock: sameKeyAgain},
		{name: "R-RENEW-2", gateway: renews, lock: lockRenews},
		{name: "R-RENEW-3", gateway: badRenewal, lock: refusedRenewal},
		{name: "R-RENEW-4", lock: lockRenews},
		{name: "R-RENEW-5", gateway: oldKeyEnds},
		{name: "R-RENEW-6", lock: oldKeyStays},
	}
}

const noRenewal = skip("the gateway does not name `certificate`")

func badRenewal(ctx context.Context, g *gatewayRun) error {
	p, w, err := g.session(ctx, g.hello())
	if err != nil {
		return err
	}
	defer p.close()
	if !slices.Contains(w.GetCapabilities(), "certificate") {
		return noRenewal
	}
	if err := p.send(&lockwirev1.CertificateRequest{RequestId: 1, CertificateRequest: []byte("none")}); err != nil {
		return err
	}
	m, err := p.next(p.patience)
	if e, ok := m.(*lockwirev1.Error); err != nil || !ok || e.GetCode() != lockwirev1.ErrorCode_ERROR_CODE_BAD_CERTIFICATE_REQUEST || e.GetRequestId() != 1 {
		return fmt.Errorf("the answer is %v (%v)", m, err)
	}
	return p.alive()
}

// renews asks for a certificate and looks at it; the session's own key stays in use.
func renews(ctx context.Context, g *gatewayRun) error {
	_, _, _, err := g.renewal(ctx)
	return err
}

func (g *gatewayRun) renewal(ctx context.Context) (*ecdsa.PrivateKey, [][]byte, [][]byte, error) {
	p, w, err := g.session(ctx, g.hello())
	if err != nil {
		return nil, nil, nil, err
	}
	defer p.close()
	if !slices.Contains(w.GetCapabilities(), "certificate") {
		return nil, nil, nil, noRenewal
	}
	if g.next == nil {
		if g.next, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, nil, nil, err
		}
	}
	csr, err := certificateRequest(g.next)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := p.send(&lockwirev1.CertificateRequest{RequestId: 1, CertificateRequest: csr}); err != nil {
		return nil, nil, nil, err
	}
	c, err := await[*lockwirev1.Certificate](p, p.patience)
	if err != nil {
		return nil, nil, nil, err
	}
	probe := *g.device
	if err := probe.adopt(g.next, c.GetCertificateChain(), c.GetRoots()); err != nil {
		return nil, nil, nil, err
	}
	return g.next, c.GetCertificateChain(), c.GetRoots(), p.alive()
}

// oldKeyEnds: both keys open sessions, and once the new one did the old one is refused.
func oldKeyEnds(ctx context.Context, g *gatewayRun) error {
	key, chain, roots, err := g.renewal(ctx)
	if err != nil {
		return err
	}
	p, _, err := g.session(ctx, g.hello())
	if err != nil {
		return fmt.Errorf("the old key is refused before the new one was used: %w", err)
	}
	p.close()
	was := *g.device
	old := *g
	old.device = &was
	if err := g.adopt(key, chain, roots); err != nil {
		return err
	}
	if p, _, err = g.session(ctx, g.hello()); err != nil {
		return fmt.Errorf("the new key: %w", err)
	}
	defer p.close()
	for ctx.Err() == nil {
		late, _, err := old.session(ctx, old.hello())
		var said *wire.ProtocolError
		if errors.As(err, &said) && said.Code == lockwirev1.ErrorCode_ERROR_CODE_DEVICE_REFUSED {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the old key is refused with %w", err)
		}
		late.close()
		if !pause(ctx, 200*time.Millisecond) {
			break
		}
	}
	return errors.New("the old key opens sessions on and on")
}
