package lockconformance

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"google.golang.org/protobuf/proto"
)

const (
	sensors  = "it takes a door that the operator opens"
	decision = "the bundle vectors and the simulated lock's property test show it; from here only what a card in front of the lock does"
)

func doorRules() []rule {
	return []rule{
		{name: "R-DOOR-1", lock: wholeDoorState},
		{name: "R-DOOR-2", lockNote: sensors},
		{name: "R-DOOR-3", lockNote: sensors},
	}
}

func commandRules() []rule {
	return []rule{
		{name: "R-CMD-1", gatewayNote: operator},
		{name: "R-CMD-2", lock: repeatsItsAnswer},
		{name: "R-CMD-3", lock: tooLate},
		{name: "R-CMD-4", lock: unknownAction},
		{name: "R-CMD-5", lock: repeatsItsAnswer},
		{name: "R-CMD-6", lock: commandEvent},
		{name: "R-CMD-7", gateway: in(func(_ context.Context, _ *gatewayRun, p *peer) error {
			m := &lockwirev1.CommandResult{CommandId: "command_of_nobody", Outcome: lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE}
			if err := p.send(m, m); err != nil {
				return err
			}
			return p.alive()
		})},
		{name: "R-CMD-8", lock: repeatsItsAnswer},
		{name: "R-CMD-9", lock: lockdown},
		{name: "R-FW-1", lock: firmware},
		{name: "R-FW-2", lock: firmware},
		{name: "R-FW-3", lock: firmware},
	}
}

func bundleRules() []rule {
	all := []rule{
		{name: "R-LANE-1", gatewayNote: operator},
		{name: "R-LANE-2", gatewayNote: operator, lock: bundleLife},
		{name: "R-BACK-1", gateway: bundleIsGood, lock: bundleLife},
	}
	for n := 1; n <= 13; n++ {
		r := rule{name: fmt.Sprintf("R-HOLD-%d", n), lock: bundleLife}
		switch n {
		case 1, 7:
			r.gateway = bundleIsGood
		case 5:
			r.lock = unknownBundleField
		}
		all = append(all, r)
	}
	for n := 1; n <= 15; n++ {
		all = append(all, rule{name: fmt.Sprintf("R-DECIDE-%d", n), lockNote: decision})
	}
	for i := range all {
		switch all[i].name {
		case "R-DECIDE-1", "R-DECIDE-2", "R-DECIDE-3", "R-DECIDE-7", "R-DECIDE-11":
			all[i].lock, all[i].lockNote = decidesAlone, ""
		}
	}
	return all
}

// bundleIsGood looks at the bundle that the gateway sends, if the door has one.
func bundleIsGood(ctx context.Context, g *gatewayRun) error {
	h := g.hello()
	h.Capabilities = []string{"bundle"}
	p, _, err := g.session(ctx, h)
	if err != nil {
		return err
	}
	defer p.close()
	b, err := await[*lockwirev1.Bundle](p, p.patience)
	if err != nil {
		return skip("the gateway sends no bundle: the door allows none")
	}
	c := new(lockwirev1.BundleContent)
	if err := proto.Unmarshal(b.GetSigned(), c); err != nil {
		return err
	}
	signer, err := x509.ParseCertificate(b.GetSignerChain()[0])
	if err != nil {
		return err
	}
	if _, err := signer.Verify(x509.VerifyOptions{Roots: g.roots, DNSName: "bundles.cardea"}); err != nil {
		return fmt.Errorf("the signer: %w", err)
	}
	digest := sha256.Sum256(append([]byte("cardea-bundle/1\x00"), b.GetSigned()...))
	if key, ok := signer.PublicKey.(*ecdsa.PublicKey); !ok || !ecdsa.VerifyASN1(key, digest[:], b.GetSignature()) {
		return errors.New("the signature is wrong")
	}
	if c.GetDeviceId() != g.name || c.GetVersion() != b.GetVersion() || c.GetBaseVersion() != 0 {
		return fmt.Errorf("it is version %d of %s onto %d, sent as %d to %s", c.GetVersion(), c.GetDeviceId(), c.GetBaseVersion(), b.GetVersion(), g.name)
	}
	if !bytes.Equal(contentHash(c.GetDoor(), c.GetEntries()), c.GetHash()) {
		return errors.New("its hash is another")
	}
	if err := p.send(&lockwirev1.BundleAck{Version: b.GetVersion(), Problem: lockwirev1.BundleProblem_BUNDLE_PROBLEM_TOO_LARGE}); err != nil {
		return err
	}
	return p.alive()
}

// contentHash is what a bundle with these entries has.
func contentHash(door []byte, entries [][]byte) []byte {
	var hashes [][]byte
	for _, e := range entries {
		h := sha256.Sum256(e)
		hashes = append(hashes, h[:16])
	}
	slices.SortFunc(hashes, bytes.Compare)
	all := sha256.New()
	head := sha256.Sum256(door)
	all.Write(head[:])
	for _, h := range hashes {
		all.Write(h)
	}
	return all.Sum(nil)
}

func renewalRules() []rule {
	return []rule{
		{name: "R-RENEW-1", lockNote: "that the key is in flash before is seen only by who cuts the power"},
		{name: "R-RENEW-2", gateway: renews, lock: lockRenews},
		{name: "R-RENEW-3", gateway: badRenewal},
		{name: "R-RENEW-4", lock: lockRenews},
		{name: "R-RENEW-5", gateway: oldKeyEnds},
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

func endRules() []rule {
	return []rule{
		{name: "R-ERROR-1", gateway: refuses(badVersion, func(_ *gatewayRun, p *peer) error { return p.raw([]byte{0, 0, 0, 2, 9, 1}) }),
			lock: lockRefuses(badVersion, func(p *peer) error { return p.raw([]byte{0, 0, 0, 2, 9, 1}) })},
		{name: "R-ERROR-2", lock: faultyDecision},
		{name: "R-ERROR-3", gateway: in(func(_ context.Context, _ *gatewayRun, p *peer) error {
			if err := p.send(&lockwirev1.Error{Code: malformed, Text: "you are at fault"}); err != nil {
				return err
			}
			for end := time.Now().Add(p.patience); ; {
				m, err := p.next(time.Until(end))
				if e, ok := m.(*lockwirev1.Error); ok {
					return fmt.Errorf("it answers an Error with Error %s", code(e.GetCode()))
				}
				if err != nil && !broke(err) {
					return fmt.Errorf("it does not close: %w", err)
				}
				if err != nil {
					return nil
				}
			}
		})},
		{name: "R-RATE-2", gateway: sessionLimit, lockNote: "R-DIAL-3 looks at it"},
		{name: "R-DIAL-1", lockNote: "this kit has one endpoint only"},
		{name: "R-DIAL-2", lockNote: "R-DIAL-3 looks at the shortest wait; the longer ones take minutes"},
		{name: "R-DIAL-3", lock: waitsAsAsked},
		{name: "R-DIAL-4", lockNote: "it takes an hour"},
		{name: "R-DIAL-5", lock: leaves},
		{name: "R-CLOCK-1", gatewayNote: "it is seen in the ledger"},
		{name: "R-CAP-1", gateway: func(ctx context.Context, g *gatewayRun) error {
			h := g.hello()
			h.Capabilities = []string{"teleport", "command.teleport"}
			p, _, err := g.session(ctx, h)
			if err != nil {
				return err
			}
			defer p.close()
			return p.alive()
		}, lock: inLock(func(_ context.Context, _ *lockRun, p *peer) error { return p.alive() })},
	}
}
