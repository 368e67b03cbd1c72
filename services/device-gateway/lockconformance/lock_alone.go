package lockconformance

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// solitude is a session in which no request is ever decided, so that the lock decides by the bundles that it is given.
type solitude struct {
	ctx context.Context
	l   *lockRun
	b   *inbox
	s   *bundler
}

// alone runs something in a solitude, in which it is known what the operator presents. Afterwards the lock holds no bundle.
func alone(do func(s *solitude) error) check[*lockRun] {
	return func(ctx context.Context, l *lockRun) error {
		p, err := l.session(ctx, func(*lockwirev1.Welcome) {})
		if err != nil {
			return err
		}
		defer p.bye()
		b := newInbox(p, true)
		bundles, err := l.bundler(b)
		if err != nil {
			return err
		}
		s := &solitude{ctx, l, b, bundles}
		if l.card == nil {
			r, _, err := s.decides(l.cfg.Operator.Present)
			if err != nil {
				return err
			}
			if l.card = r.GetCard(); l.card == nil {
				return errors.New("it asks without the card that was presented")
			}
		}
		if err := do(s); err != nil {
			return err
		}
		return bundles.forgetAll()
	}
}

// decides has the operator do something and is the event of what the lock decides then.
func (s *solitude) decides(act func(context.Context) error) (*lockwirev1.AccessRequest, *lockwirev1.Event, error) {
	r, err := s.b.asked(s.ctx, act)
	if err != nil {
		return nil, nil, err
	}
	no := &lockwirev1.Error{Code: lockwirev1.ErrorCode_ERROR_CODE_UNAVAILABLE, RequestId: r.GetRequestId(), RetryAfterMs: 100}
	if err := s.b.p.send(no); err != nil {
		return nil, nil, err
	}
	e, err := s.b.event(place{s.l.hello.GetBootEpoch(), r.GetEventSequence()})
	return r, e, err
}

// ask gives the lock a bundle for the next hour and presents the card.
func (s *solitude) ask(door *lockwirev1.BundleDoor, entries ...*lockwirev1.BundleEntry) (*lockwirev1.Event, error) {
	if _, err := s.s.give(s.s.content(door, entries...), nil, none); err != nil {
		return nil, err
	}
	_, e, err := s.decides(s.l.cfg.Operator.Present)
	return e, err
}

// known is an entry for the card that the operator presents, with rights.
func (s *solitude) known(rights ...*lockwirev1.BundleRight) *lockwirev1.BundleEntry {
	e := entry(9)
	e.Digests = []*lockwirev1.BundleDigest{{KeyId: "k", Digest: digestOf(make([]byte, 32), "card", s.l.card)}}
	e.Rights = rights
	return e
}

var formats = map[lockwirev1.CardFormat]string{
	lockwirev1.CardFormat_CARD_FORMAT_WIEGAND26: "wiegand26", lockwirev1.CardFormat_CARD_FORMAT_WIEGAND34: "wiegand34",
	lockwirev1.CardFormat_CARD_FORMAT_WIEGAND37: "wiegand37", lockwirev1.CardFormat_CARD_FORMAT_UID: "uid", lockwirev1.CardFormat_CARD_FORMAT_PKOC: "pkoc",
}

// digestOf is the digest of a card, as PROTOCOL.md describes it. It is written here anew on purpose: the kit judges the simulated lock, too, and
// shared code would share its faults.
func digestOf(key []byte, kind string, card *lockwirev1.Card) []byte {
	return digest(key, kind, formats[card.GetFormat()], card.GetBitLength(), card.GetBits())
}

func digest(key []byte, kind, format string, length uint32, bits []byte) []byte {
	mac := hmac.New(sha256.New, key)
	part := func(b []byte) {
		mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b))))
		mac.Write(b)
	}
	part([]byte("credential/v1"))
	part([]byte(kind))
	part([]byte(format))
	mac.Write(binary.BigEndian.AppendUint32(nil, length))
	part(bits)
	return mac.Sum(nil)
}

// wants compares a decision with what a rule says.
func wants(e *lockwirev1.Event, outcome lockwirev1.Outcome, reason uint32) error {
	switch {
	case e.GetOutcome() != outcome || e.GetReason() != reason:
		return fmt.Errorf("it says %s for reason %d, not %s for %d", e.GetOutcome(), e.GetReason(), outcome, reason)
	case !e.GetOffline() || len(e.GetReceipt()) > 0:
		return fmt.Errorf("its event has offline %v and the receipt %q", e.GetOffline(), e.GetReceipt())
	case outcome == granted && (e.GetCredentialId() == "" || e.GetPersonId() == "" || e.GetBundleVersion() == 0):
		return fmt.Errorf("its event does not say by what it decided: %v", e)
	}
	return nil
}

// windows is a schedule that holds in the minutes from now that are given in pairs.
func windows(ref uint64, minutes ...int) *lockwirev1.BundleSchedule {
	s := &lockwirev1.BundleSchedule{Ref: ref}
	for i := 0; i < len(minutes); i += 2 {
		s.Windows = append(s.Windows, &lockwirev1.BundleWindow{FromMs: minutesOn(minutes[i]), ToMs: minutesOn(minutes[i+1])})
	}
	return s
}

func minutesOn(n int) uint64 {
	return uint64(time.Now().Add(time.Duration(n) * time.Minute).UnixMilli())
}

// somebody is a person's id that no lock has counted wrong PINs of.
func somebody() string { return "person_" + strconv.FormatInt(time.Now().UnixNano(), 36) }
