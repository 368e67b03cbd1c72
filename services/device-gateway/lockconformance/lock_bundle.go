package lockconformance

import (
	"context"
	"fmt"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"google.golang.org/protobuf/proto"
)

// problems of a BundleAck; none: it was applied.
const (
	none      = lockwirev1.BundleProblem_BUNDLE_PROBLEM_UNSPECIFIED
	signature = lockwirev1.BundleProblem_BUNDLE_PROBLEM_SIGNATURE
	base      = lockwirev1.BundleProblem_BUNDLE_PROBLEM_BASE
	unknown   = lockwirev1.BundleProblem_BUNDLE_PROBLEM_UNKNOWN
)

// bundler makes bundles for the lock under test, with a signer of the run's root.
type bundler struct {
	l     *lockRun
	b     *inbox
	chain [][]byte
	sign  func(label string, signed []byte) ([]byte, error)
}

func (l *lockRun) bundler(b *inbox) (*bundler, error) {
	if err := l.can("bundle"); err != nil {
		return nil, err
	}
	pair, err := l.root.IssueServer("bundles.cardea")
	if err != nil {
		return nil, err
	}
	cert, err := pair.TLS()
	if err != nil {
		return nil, err
	}
	// Above what any earlier run gave: a lock does not go back.
	l.version = max(l.version, nowMS())
	return &bundler{l: l, b: b, chain: cert.Certificate[:1], sign: signer(cert)}, nil
}

func (s *bundler) content(door *lockwirev1.BundleDoor, entries ...*lockwirev1.BundleEntry) *lockwirev1.BundleContent {
	s.l.version++
	c := &lockwirev1.BundleContent{
		DeviceId: deviceID, Version: s.l.version, IssuedAtMs: nowMS() / 60_000 * 60_000, NotAfterMs: nowMS()/60_000*60_000 + 3_600_000, Door: marshal(door),
	}
	for _, e := range entries {
		c.Entries = append(c.Entries, marshal(e))
	}
	c.Hash = contentHash(c.Door, c.Entries)
	return c
}

func marshal(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err) // messages made here
	}
	return b
}

// signed is a content as it is sent.
func (s *bundler) signed(c *lockwirev1.BundleContent) (m *lockwirev1.Bundle, err error) {
	m = &lockwirev1.Bundle{Version: c.GetVersion(), Signed: marshal(c), SignerChain: s.chain}
	m.Signature, err = s.sign("cardea-bundle/1\x00", m.Signed)
	return m, err
}

// give sends a content and is what the lock answers.
func (s *bundler) give(c *lockwirev1.BundleContent, spoil func(*lockwirev1.Bundle), want lockwirev1.BundleProblem) (*lockwirev1.BundleAck, error) {
	m, err := s.signed(c)
	if err != nil {
		return nil, err
	}
	if spoil != nil {
		spoil(m)
	}
	return s.answered(m, m.GetVersion(), want)
}

func (s *bundler) revoke(c *lockwirev1.RevocationsContent, label string, want lockwirev1.BundleProblem) (*lockwirev1.BundleAck, error) {
	m := &lockwirev1.Revocations{Version: c.GetVersion(), Signed: marshal(c), SignerChain: s.chain}
	var err error
	if m.Signature, err = s.sign(label, m.Signed); err != nil {
		return nil, err
	}
	return s.answered(m, m.GetVersion(), want)
}

func (s *bundler) answered(m proto.Message, version uint64, want lockwirev1.BundleProblem) (*lockwirev1.BundleAck, error) {
	if err := s.b.p.send(m); err != nil {
		return nil, err
	}
	ack, err := s.answer(version)
	if err == nil && (ack.GetApplied() != (want == none) || ack.GetProblem() != want) {
		err = fmt.Errorf("version %d is answered %v, not %s", version, ack, want)
	}
	return ack, err
}

// answer is the next BundleAck, which has to be for a version.
func (s *bundler) answer(version uint64) (ack *lockwirev1.BundleAck, err error) {
	err = s.b.until(s.b.p.patience, func(m any) (ok bool, _ error) {
		ack, ok = m.(*lockwirev1.BundleAck)
		return ok, nil
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("no BundleAck: %w", err)
	case ack.GetVersion() != version:
		return nil, fmt.Errorf("BundleAck for version %d, not %d", ack.GetVersion(), version)
	}
	return ack, nil
}

// entry is a credential that nobody has; n tells them apart.
func entry(n byte) *lockwirev1.BundleEntry {
	return &lockwirev1.BundleEntry{
		CredentialId: fmt.Sprintf("credential_%d", n), PersonId: "person_1", Digests: []*lockwirev1.BundleDigest{{KeyId: "k", Digest: make([]byte, 32)}},
		Rights: []*lockwirev1.BundleRight{{GrantId: "grant_1"}},
	}
}

func plainDoor() *lockwirev1.BundleDoor {
	return &lockwirev1.BundleDoor{
		DoorId: "door_1", UnlockMs: 500, AfterBudget: lockwirev1.AfterBudget_AFTER_BUDGET_STAY_SECURE,
		Keys: []*lockwirev1.BundleKey{{Id: "k", Key: make([]byte, 32)}},
	}
}

// bundleLife goes through the rules of holding a bundle in one session, and looks at each answer.
func bundleLife(ctx context.Context, l *lockRun) error {
	return inLock(func(_ context.Context, l *lockRun, p *peer) error {
		s, err := l.bundler(newInbox(p, true))
		if err != nil {
			return err
		}
		full := s.content(plainDoor(), entry(1), entry(2))
		if _, err := s.give(full, func(m *lockwirev1.Bundle) { m.Signature[len(m.Signature)-1] ^= 1 }, signature); err != nil {
			return err
		}
		foreign := proto.CloneOf(full)
		foreign.DeviceId = "device_of_another"
		if _, err := s.give(foreign, nil, signature); err != nil {
			return err
		}
		for range 2 { // the second time it is there already
			ack, err := s.give(full, nil, none)
			if err != nil {
				return err
			}
			if string(ack.GetHash()) != string(full.GetHash()) {
				return fmt.Errorf("its hash is %x, not %x", ack.GetHash(), full.GetHash())
			}
		}
		l.version++
		gone := &lockwirev1.RevocationsContent{DeviceId: deviceID, Version: l.version, Removed: [][]byte{sum(full.GetEntries()[0])[:16]}}
		if _, err := s.revoke(gone, "cardea-bundle/1\x00", signature); err != nil {
			return err
		}
		ack, err := s.revoke(gone, "cardea-revocations/1\x00", none)
		if err != nil {
			return err
		}
		if want := contentHash(full.GetDoor(), full.GetEntries()[1:]); string(ack.GetHash()) != string(want) {
			return fmt.Errorf("after Revocations its hash is %x, not %x", ack.GetHash(), want)
		}
		more := s.content(plainDoor(), entry(3))
		more.BaseVersion, more.Hash = gone.GetVersion(), contentHash(full.GetDoor(), [][]byte{full.GetEntries()[1], more.GetEntries()[0]})
		wrong := proto.CloneOf(more)
		wrong.Hash = make([]byte, 32)
		if _, err := s.give(wrong, nil, base); err != nil {
			return err
		}
		wrong.Hash, wrong.BaseVersion = more.GetHash(), more.GetVersion()+7
		if _, err := s.give(wrong, nil, base); err != nil {
			return err
		}
		if _, err := s.give(more, nil, none); err != nil {
			return err
		}
		if _, err := s.give(full, nil, base); err != nil {
			return fmt.Errorf("an older bundle: %w", err)
		}
		return s.forgetAll()
	})(ctx, l)
}

// forgetAll leaves the lock without a bundle.
func (s *bundler) forgetAll() error {
	s.l.version++
	ack, err := s.revoke(&lockwirev1.RevocationsContent{DeviceId: deviceID, Version: s.l.version, All: true}, "cardea-revocations/1\x00", none)
	if err == nil && len(ack.GetHash()) != 0 {
		return fmt.Errorf("without a bundle its hash is %x", ack.GetHash())
	}
	return err
}

func unknownBundleField(ctx context.Context, l *lockRun) error {
	return inLock(func(_ context.Context, l *lockRun, p *peer) error {
		s, err := l.bundler(newInbox(p, true))
		if err != nil {
			return err
		}
		e := entry(1)
		e.ProtoReflect().SetUnknown([]byte{0xf0, 0x06, 0x01}) // field 110: 1
		_, err = s.give(s.content(plainDoor(), e), nil, unknown)
		return err
	})(ctx, l)
}

// overtaken: Revocations come between the parts of a bundle, and what they take out is not in it when it is whole.
func overtaken(ctx context.Context, l *lockRun) error {
	return inLock(func(_ context.Context, l *lockRun, p *peer) error {
		b := newInbox(p, true)
		s, err := l.bundler(b)
		if err != nil {
			return err
		}
		var entries []*lockwirev1.BundleEntry
		for n := range 900 { // some 90 kB
			e := entry(0)
			e.CredentialId = fmt.Sprintf("credential_%d", n)
			entries = append(entries, e)
		}
		content := s.content(plainDoor(), entries...)
		m, err := s.signed(content)
		if err != nil {
			return err
		}
		parts, err := cut(m)
		if err != nil {
			return err
		}
		if err := p.send(parts[0]); err != nil {
			return err
		}
		l.version++
		gone := &lockwirev1.RevocationsContent{DeviceId: deviceID, Version: l.version, Removed: [][]byte{sum(content.GetEntries()[0])[:16]}}
		if _, err := s.revoke(gone, "cardea-revocations/1\x00", none); err != nil {
			return fmt.Errorf("Revocations between parts: %w", err)
		}
		for _, part := range parts[1:] {
			if err := p.send(part); err != nil {
				return err
			}
		}
		ack, err := s.answer(content.GetVersion())
		if err != nil {
			return err
		}
		if ack.GetProblem() == lockwirev1.BundleProblem_BUNDLE_PROBLEM_TOO_LARGE {
			return skip(fmt.Sprintf("the lock has no room for %d entries", len(entries)))
		}
		if want := contentHash(content.GetDoor(), content.GetEntries()[1:]); !ack.GetApplied() || string(ack.GetHash()) != string(want) {
			return fmt.Errorf("the answer is %v, not applied with hash %x: what was taken out meanwhile must not come back", ack, want)
		}
		return s.forgetAll()
	})(ctx, l)
}

// cut cuts a message into two parts at least.
func cut(m proto.Message) ([]*lockwirev1.Part, error) {
	const most = 65_000
	body, err := proto.Marshal(m)
	if err != nil {
		return nil, err
	}
	n := max(2, (len(body)+most-1)/most)
	parts := make([]*lockwirev1.Part, n)
	for i := range parts {
		parts[i] = &lockwirev1.Part{
			MessageId: 1, Type: uint32(wire.TypeOf(m)), Part: uint32(i), Parts: uint32(n), Sha256: sum(body), Body: body[i*len(body)/n : (i+1)*len(body)/n],
		}
	}
	return parts, nil
}
