package lockconformance

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

// givenBundle is a bundle that the gateway sent.
type givenBundle struct {
	*lockwirev1.Bundle
	content *lockwirev1.BundleContent
}

// bundled opens a session of a lock without a bundle and waits for one. Whether a door has one only its owner knows: when Config does
// not say so, none is no fault.
func (g *gatewayRun) bundled(ctx context.Context) (*peer, *givenBundle, error) {
	if g.noBundle {
		return nil, nil, noBundle
	}
	h := g.hello()
	h.Capabilities = []string{"bundle"}
	p, _, err := g.session(ctx, h)
	if err != nil {
		return nil, nil, err
	}
	wait := p.patience
	if !g.cfg.Bundle {
		wait = min(wait, 5*time.Second)
	}
	b, err := await[*lockwirev1.Bundle](p, wait)
	if errors.Is(err, errNothing) && !g.cfg.Bundle {
		g.noBundle = true
		err = noBundle
	}
	if err != nil {
		p.close()
		return nil, nil, err
	}
	given, err := g.inspect(b)
	if err != nil {
		p.close()
		return nil, nil, err
	}
	return p, given, nil
}

const noBundle = skip("the gateway sends no bundle; -bundle says that the door allows one")

// inspect looks whether a bundle is one that a lock can take (R-HOLD-1, 5, 7).
func (g *gatewayRun) inspect(b *lockwirev1.Bundle) (*givenBundle, error) {
	c := new(lockwirev1.BundleContent)
	if err := proto.Unmarshal(b.GetSigned(), c); err != nil {
		return nil, err
	}
	if err := g.signed("cardea-bundle/1\x00", b.GetSigned(), b.GetSignature(), b.GetSignerChain()); err != nil {
		return nil, err
	}
	if c.GetDeviceId() != g.name || c.GetVersion() != b.GetVersion() || c.GetVersion() == 0 {
		return nil, fmt.Errorf("it is version %d of %s, sent as %d to %s", c.GetVersion(), c.GetDeviceId(), b.GetVersion(), g.name)
	}
	for _, hash := range c.GetRemoved() {
		if len(hash) != 16 {
			return nil, fmt.Errorf("a removed hash has %d bytes", len(hash))
		}
	}
	if err := wellFormed(c); err != nil {
		return nil, err
	}
	return &givenBundle{b, c}, nil
}

func (g *gatewayRun) signed(label string, signed, signature []byte, chain [][]byte) error {
	signer, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return err
	}
	between := x509.NewCertPool()
	for _, der := range chain[1:] {
		if c, err := x509.ParseCertificate(der); err == nil {
			between.AddCert(c)
		}
	}
	if _, err := signer.Verify(x509.VerifyOptions{Roots: g.roots, Intermediates: between, DNSName: "bundles.cardea"}); err != nil {
		return fmt.Errorf("the signer: %w", err)
	}
	digest := sha256.Sum256(append([]byte(label), signed...))
	if key, ok := signer.PublicKey.(*ecdsa.PublicKey); !ok || !ecdsa.VerifyASN1(key, digest[:], signature) {
		return errors.New("the signature is wrong")
	}
	return nil
}

// wellFormed looks at the messages inside: a lock refuses fields that it does not know, and this kit knows those of version 1.
func wellFormed(c *lockwirev1.BundleContent) error {
	door := new(lockwirev1.BundleDoor)
	if err := proto.Unmarshal(c.GetDoor(), door); err != nil || len(door.ProtoReflect().GetUnknown()) > 0 {
		return fmt.Errorf("the door is %v with unknown fields %x (%v)", door, door.ProtoReflect().GetUnknown(), err)
	}
	for _, key := range door.GetKeys() {
		if len(key.GetKey()) != 32 {
			return fmt.Errorf("a digest key has %d bytes", len(key.GetKey()))
		}
	}
	for _, b := range c.GetEntries() {
		e := new(lockwirev1.BundleEntry)
		if err := proto.Unmarshal(b, e); err != nil || len(e.ProtoReflect().GetUnknown()) > 0 {
			return fmt.Errorf("an entry has unknown fields %x (%v)", e.ProtoReflect().GetUnknown(), err)
		}
		for _, d := range append(e.GetDigests(), e.GetPins()...) {
			if len(d.GetDigest()) != 32 {
				return fmt.Errorf("a digest has %d bytes", len(d.GetDigest()))
			}
		}
	}
	return nil
}

// firstBundle: who holds none gets a whole one, and its hash is right.
func firstBundle(ctx context.Context, g *gatewayRun) error {
	p, b, err := g.bundled(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	if err := b.whole(); err != nil {
		return err
	}
	if b.content.GetNotAfterMs() <= b.content.GetIssuedAtMs() || len(b.content.GetEntries()) > 20_000 || len(b.GetSigned()) > 4_194_304 {
		return fmt.Errorf("%d entries in %d bytes, from %d to %d", len(b.content.GetEntries()), len(b.GetSigned()), b.content.GetIssuedAtMs(), b.content.GetNotAfterMs())
	}
	return p.alive()
}

// whole looks whether it builds on nothing.
func (b *givenBundle) whole() error {
	if b.content.GetBaseVersion() != 0 {
		return fmt.Errorf("a lock that holds nothing gets a difference onto %d", b.content.GetBaseVersion())
	}
	if want := contentHash(b.content.GetDoor(), b.content.GetEntries()); !bytes.Equal(b.content.GetHash(), want) {
		return fmt.Errorf("its hash is %x, not %x", b.content.GetHash(), want)
	}
	return nil
}

// wholeAfterBase: a lock that lacks the base gets a whole bundle, of a higher version.
func wholeAfterBase(ctx context.Context, g *gatewayRun) error {
	p, first, err := g.bundled(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	if err := p.send(&lockwirev1.BundleAck{Version: first.GetVersion(), Problem: base}); err != nil {
		return err
	}
	m, err := await[*lockwirev1.Bundle](p, p.patience)
	if err != nil {
		return fmt.Errorf("after BASE: %w", err)
	}
	second, err := g.inspect(m)
	if err != nil {
		return err
	}
	if second.GetVersion() <= first.GetVersion() {
		return fmt.Errorf("after version %d comes %d", first.GetVersion(), second.GetVersion())
	}
	return second.whole()
}

// knowsWhatIsHeld: a lock that comes back with the bundle that it confirmed gets nothing, or what builds on it.
func knowsWhatIsHeld(ctx context.Context, g *gatewayRun) error {
	p, b, err := g.bundled(ctx)
	if err != nil {
		return err
	}
	hash := contentHash(b.content.GetDoor(), b.content.GetEntries())
	if err := errors.Join(p.send(&lockwirev1.BundleAck{Version: b.GetVersion(), Applied: true, Hash: hash}), p.alive()); err != nil {
		p.close()
		return err
	}
	pause(ctx, settle) // so that it is noted
	p.close()
	h := g.hello()
	h.Capabilities, h.BundleVersion, h.BundleHash = []string{"bundle"}, b.GetVersion(), hash
	again, _, err := g.session(ctx, h)
	if err != nil {
		return err
	}
	defer again.close()
	m, err := await[*lockwirev1.Bundle](again, 2*time.Second)
	if errors.Is(err, errNothing) {
		return nil
	}
	if err != nil {
		return err
	}
	next, err := g.inspect(m)
	switch {
	case err != nil:
		return err
	case next.content.GetBaseVersion() == 0:
		return cmp.Or[error](next.whole(), remark("it sends the whole again, which is allowed"))
	case next.content.GetBaseVersion() != b.GetVersion():
		return fmt.Errorf("a lock that holds version %d gets one that builds on %d", b.GetVersion(), next.content.GetBaseVersion())
	}
	return nil
}

// noneWithoutCapability: a lock that does not name `bundle` is sent none.
func noneWithoutCapability(ctx context.Context, g *gatewayRun) error {
	return in(func(_ context.Context, _ *gatewayRun, p *peer) error {
		for end := time.Now().Add(2 * time.Second); ; {
			m, err := p.next(time.Until(end))
			if errors.Is(err, errNothing) {
				return nil
			}
			if err != nil {
				return err
			}
			switch m.(type) {
			case *lockwirev1.Bundle, *lockwirev1.Revocations, *lockwirev1.Command:
				return fmt.Errorf("a lock without capabilities gets %s", name(m))
			}
		}
	})(ctx, g)
}
