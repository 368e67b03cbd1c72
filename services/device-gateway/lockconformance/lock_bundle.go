package lockconformance

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
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

// give sends a content and is what the lock answers.
func (s *bundler) give(c *lockwirev1.BundleContent, spoil func(*lockwirev1.Bundle), want lockwirev1.BundleProblem) (*lockwirev1.BundleAck, error) {
	m := &lockwirev1.Bundle{Version: c.GetVersion(), Signed: marshal(c), SignerChain: s.chain}
	var err error
	if m.Signature, err = s.sign("cardea-bundle/1\x00", m.Signed); err != nil {
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
	var ack *lockwirev1.BundleAck
	err := s.b.until(s.b.p.patience, func(m any) (bool, error) {
		a, ok := m.(*lockwirev1.BundleAck)
		ack = a
		return ok, nil
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("no BundleAck: %w", err)
	case ack.GetVersion() != version || ack.GetApplied() != (want == none) || ack.GetProblem() != want:
		return nil, fmt.Errorf("version %d is answered %v, not %s", version, ack, want)
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

// decidesAlone: without an answer the lock opens by its bundle for the card that was presented, and for no other.
func decidesAlone(ctx context.Context, l *lockRun) error {
	p, err := l.session(ctx, func(*lockwirev1.Welcome) {})
	if err != nil {
		return err
	}
	defer p.bye()
	b := newInbox(p, true)
	s, err := l.bundler(b)
	if err != nil {
		return err
	}
	alone := func() (*lockwirev1.AccessRequest, *lockwirev1.Event, error) {
		r, err := b.presented(ctx, l)
		if err != nil {
			return nil, nil, err
		}
		no := &lockwirev1.Error{Code: lockwirev1.ErrorCode_ERROR_CODE_UNAVAILABLE, RequestId: r.GetRequestId(), RetryAfterMs: 100}
		if err := p.send(no); err != nil {
			return nil, nil, err
		}
		e, err := b.event(place{l.hello.GetBootEpoch(), r.GetEventSequence()})
		return r, e, err
	}
	if err := s.forgetAll(); err != nil {
		return err
	}
	r, e, err := alone()
	if err != nil {
		return err
	}
	if e.GetOutcome() == granted || e.GetOffline() {
		return fmt.Errorf("without a bundle: %v", e)
	}
	known := entry(9)
	known.Digests = []*lockwirev1.BundleDigest{{KeyId: "k", Digest: cardDigest(make([]byte, 32), r.GetCard())}}
	closed := proto.CloneOf(known)
	closed.Rights[0].ToMs = uint64(time.Now().Add(-time.Hour).UnixMilli())
	broken := plainDoor()
	broken.Broken = true
	for _, step := range []struct {
		name    string
		content *lockwirev1.BundleContent
		outcome lockwirev1.Outcome
		reason  uint32
	}{
		{"an unknown card", s.content(plainDoor(), entry(1)), denied_, 6},
		{"a right", s.content(plainDoor(), known), granted, 1},
		{"a right that ended", s.content(plainDoor(), closed), denied_, 5},
		{"a broken door", s.content(broken, known), denied_, 11},
	} {
		if _, err := s.give(step.content, nil, none); err != nil {
			return err
		}
		_, e, err := alone()
		if err != nil {
			return err
		}
		if e.GetOutcome() != step.outcome || e.GetReason() != step.reason || !e.GetOffline() || len(e.GetReceipt()) > 0 {
			return fmt.Errorf("%s: the event is %v", step.name, e)
		}
	}
	return s.forgetAll()
}

// cardDigest is the digest of a card, as PROTOCOL.md describes it.
func cardDigest(key []byte, card *lockwirev1.Card) []byte {
	formats := map[lockwirev1.CardFormat]string{
		lockwirev1.CardFormat_CARD_FORMAT_WIEGAND26: "wiegand26", lockwirev1.CardFormat_CARD_FORMAT_WIEGAND34: "wiegand34",
		lockwirev1.CardFormat_CARD_FORMAT_WIEGAND37: "wiegand37", lockwirev1.CardFormat_CARD_FORMAT_UID: "uid",
	}
	mac := hmac.New(sha256.New, key)
	part := func(b []byte) {
		mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b))))
		mac.Write(b)
	}
	part([]byte("credential/v1"))
	part([]byte("card"))
	part([]byte(formats[card.GetFormat()]))
	mac.Write(binary.BigEndian.AppendUint32(nil, card.GetBitLength()))
	part(card.GetBits())
	return mac.Sum(nil)
}
