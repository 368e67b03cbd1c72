package offline

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundle"
	"github.com/cardea-mesh/cardea/services/policy/credential"
)

var (
	begin   = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	end     = begin.Add(time.Hour)
	testKey = [32]byte{7}
)

func uid(name string) *lockwirev1.Card {
	return &lockwirev1.Card{Format: lockwirev1.CardFormat_CARD_FORMAT_UID, BitLength: uint32(8 * len(name)), Bits: []byte(name)}
}

// carrying is the entry of a card with its rights.
func carrying(name string, emergency bool, rights ...*lockwirev1.BundleRight) *lockwirev1.BundleEntry {
	d := credential.Digest(testKey, credential.KindCard, credential.FormatUID, uint32(8*len(name)), []byte(name))
	return &lockwirev1.BundleEntry{
		CredentialId: "credential-" + name, PersonId: name, Rights: rights, Emergency: emergency,
		Digests: []*lockwirev1.BundleDigest{{KeyId: "k", Digest: d[:]}},
	}
}

// lock holds a bundle from begin to end. Schedule 5 holds in its first half.
func lock(t *testing.T, door *lockwirev1.BundleDoor, entries ...*lockwirev1.BundleEntry) *Holder {
	t.Helper()
	door.Keys = []*lockwirev1.BundleKey{{Id: "k", Key: testKey[:]}}
	door.Schedules = []*lockwirev1.BundleSchedule{{Ref: 5, Windows: []*lockwirev1.BundleWindow{
		{FromMs: uint64(begin.UnixMilli()), ToMs: uint64(begin.Add(30 * time.Minute).UnixMilli())},
	}}}
	var all [][]byte
	for _, e := range entries {
		all = append(all, marshal(e))
	}
	h := New(device, nil)
	header := bundle.Header{DeviceID: device, Version: 4, IssuedAt: begin, NotAfter: end}
	if err := h.apply(bundle.Full(header, bundle.NewContent(marshal(door), all))); err != nil {
		t.Fatal(err)
	}
	return h
}

func at(when time.Time) Clock {
	return Clock{Set: true, UnixMs: uint64(when.UnixMilli()), UptimeMs: 1000}
}

func TestWithoutABundleNothingIsDecided(t *testing.T) {
	if d, ok := New(device, nil).Decide(at(begin), Presented{Card: uid("anna")}); ok || d.Granted() {
		t.Errorf("%+v", d)
	}
}

// TestWhenTheBundleIsTooOld, or the lock cannot know, its door's policy applies.
func TestWhenTheBundleIsTooOld(t *testing.T) {
	const (
		stay      = lockwirev1.AfterBudget_AFTER_BUDGET_STAY_SECURE
		emergency = lockwirev1.AfterBudget_AFTER_BUDGET_EMERGENCY_LIST
		keepGoing = lockwirev1.AfterBudget_AFTER_BUDGET_KEEP_GOING
	)
	ms := func(d time.Duration) uint64 { return uint64(begin.Add(d).UnixMilli()) }
	entries := []*lockwirev1.BundleEntry{
		carrying("anna", false, &lockwirev1.BundleRight{GrantId: "a"}),
		carrying("hour", false, &lockwirev1.BundleRight{GrantId: "h", Schedules: []uint64{5}}),
		carrying("fire", true, &lockwirev1.BundleRight{GrantId: "f", Schedules: []uint64{5}}),
		carrying("gone", true, &lockwirev1.BundleRight{GrantId: "g", ToMs: ms(90 * time.Minute)}),
		carrying("soon", true, &lockwirev1.BundleRight{GrantId: "s", FromMs: ms(30 * time.Minute)}),
	}
	fresh, late, later := at(begin.Add(10*time.Minute)), at(end), at(end.Add(2*time.Hour))
	unset, back := Clock{UptimeMs: 1000}, at(begin.Add(-61*time.Second))
	for _, c := range []struct {
		after  lockwirev1.AfterBudget
		clock  Clock
		card   string
		reason Reason
	}{
		{stay, fresh, "anna", grant}, {stay, fresh, "hour", grant}, {stay, fresh, "soon", notYet}, {stay, fresh, "none", unknown},
		{stay, at(begin.Add(-59 * time.Second)), "hour", grant}, // a clock that is a little behind
		{stay, at(end.Add(-1)), "anna", grant}, {stay, late, "anna", tooOld}, {stay, late, "fire", tooOld}, {stay, late, "none", unknown},
		{stay, unset, "anna", tooOld}, {stay, back, "anna", tooOld},
		{0, late, "anna", tooOld}, {99, late, "fire", tooOld}, // what a lock does not know is the safe one
		{emergency, late, "anna", tooOld}, {emergency, late, "fire", grant}, {emergency, late, "gone", grant}, {emergency, later, "gone", expired},
		{emergency, unset, "anna", tooOld}, {emergency, unset, "fire", grant}, {emergency, unset, "gone", expired}, {emergency, unset, "soon", notYet},
		{emergency, back, "fire", grant}, {emergency, fresh, "anna", grant},
		{keepGoing, late, "anna", grant}, {keepGoing, late, "hour", outside}, {keepGoing, later, "gone", expired}, {keepGoing, late, "soon", grant},
		{keepGoing, unset, "anna", grant}, {keepGoing, unset, "hour", outside}, {keepGoing, unset, "gone", expired}, {keepGoing, unset, "soon", notYet},
	} {
		h := lock(t, &lockwirev1.BundleDoor{AfterBudget: c.after, UnlockMs: 3000}, entries...)
		d, ok := h.Decide(c.clock, Presented{Card: uid(c.card)})
		if !ok || d.Reason != c.reason || d.Granted() != (c.reason == grant) || d.Granted() != (d.UnlockMs == 3000) {
			t.Errorf("%v, %s, clock %+v: %+v, wanted %v", c.after, c.card, c.clock, d, c.reason)
		}
	}
}

// A rule that names a schedule which the door lacks is not one that never holds: then a PIN would not be asked for.
func TestADoorThatLacksAScheduleIsBroken(t *testing.T) {
	for name, door := range map[string]*lockwirev1.BundleDoor{
		"open":          {OpenSchedule: 6},
		"second factor": {Rules: &lockwirev1.BundleRules{SecondFactor: true, SecondFactorSchedule: 6}},
		"first person":  {Rules: &lockwirev1.BundleRules{FirstPerson: true, FirstPersonSchedule: 6}},
	} {
		h := lock(t, door, carrying("anna", false, &lockwirev1.BundleRight{GrantId: "a"}))
		if d, ok := h.Decide(at(begin), Presented{Card: uid("anna")}); !ok || d.Granted() || d.Reason != brokenFacts {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// TestAStaleDoorIsNoLessStrict: what a schedule would have asked for is asked for, and nothing stands open.
func TestAStaleDoorIsNoLessStrict(t *testing.T) {
	door := func() *lockwirev1.BundleDoor {
		return &lockwirev1.BundleDoor{
			AfterBudget: lockwirev1.AfterBudget_AFTER_BUDGET_KEEP_GOING, OpenSchedule: 5,
			Rules:     &lockwirev1.BundleRules{SecondFactor: true, SecondFactorSchedule: 5},
			Lockdowns: []*lockwirev1.BundleLockdown{{Rank: 3, FromMs: uint64(end.Add(time.Hour).UnixMilli()), ToMs: uint64(end.Add(2 * time.Hour).UnixMilli())}},
		}
	}
	h := lock(t, door(), carrying("anna", false, &lockwirev1.BundleRight{GrantId: "a"}))
	for what, c := range map[string]struct {
		clock  Clock
		reason Reason
		open   bool
	}{
		"open":             {at(begin), grant, true},
		"closed":           {at(begin.Add(40 * time.Minute)), grant, false},
		"stale":            {at(end), factorNeeded, false},
		"stale and locked": {at(end.Add(time.Hour)), lockdown, false},
		"no longer locked": {at(end.Add(2 * time.Hour)), factorNeeded, false},
		"without a clock":  {Clock{}, lockdown, false},
	} {
		if d, _ := h.Decide(c.clock, Presented{Card: uid("anna")}); d.Reason != c.reason || h.StandsOpen(c.clock) != c.open {
			t.Errorf("%s: %+v, stands open: %v", what, d, h.StandsOpen(c.clock))
		}
	}
	if d, _ := h.Decide(at(begin), Presented{Card: uid("none")}); d.Granted() {
		t.Error("a card that may be a revoked one is let in because the door stands open")
	}
}

func TestAnEntryCodeOpensUntilTooManyWereWrong(t *testing.T) {
	e := carrying("anna", false, &lockwirev1.BundleRight{GrantId: "a"})
	d := credential.EntryCodeDigest(testKey, "123456")
	e.Digests = []*lockwirev1.BundleDigest{{KeyId: "k", Digest: d[:]}}
	h := lock(t, &lockwirev1.BundleDoor{}, e)
	try := func(digits string, uptime time.Duration) bool {
		c := at(begin)
		c.UptimeMs = uint64(uptime.Milliseconds())
		d, _ := h.Decide(c, Presented{PIN: digits})
		return d.Granted()
	}
	for i := range maxWrongCodes {
		if !try("123456", time.Minute) || try("654321", time.Minute+time.Duration(i)*time.Second) {
			t.Fatal("the right one does not open, or a wrong one does")
		}
	}
	if try("123456", 11*time.Minute-1) || !try("123456", 11*time.Minute) {
		t.Error("after ten wrong ones a door is shut to codes until ten minutes after the first")
	}
}

// TestAPublicKeyNeedsAProof: it is no secret.
func TestAPublicKeyNeedsAProof(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	e := carrying("anna", false, &lockwirev1.BundleRight{GrantId: "a"})
	d := credential.Digest(testKey, credential.KindMobile, credential.FormatPKOC, 520, public)
	e.Digests = []*lockwirev1.BundleDigest{{KeyId: "k", Digest: d[:]}}
	h := lock(t, &lockwirev1.BundleDoor{}, e)
	sign := func(scheme lockwirev1.ProofScheme, name, of string, nonce []byte) *lockwirev1.KeyProof {
		sum := sha256.Sum256(credential.ProofMessage(name, of, nonce))
		r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return &lockwirev1.KeyProof{Scheme: scheme, Nonce: nonce, Signature: append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)}
	}
	nonce := make([]byte, 16)
	mobile, pkoc := lockwirev1.ProofScheme_PROOF_SCHEME_MOBILE, lockwirev1.ProofScheme_PROOF_SCHEME_PKOC
	bad := sign(pkoc, credential.SchemePKOC, "", nonce)
	bad.Nonce = append([]byte{1}, nonce[1:]...)
	for what, c := range map[string]struct {
		proof  *lockwirev1.KeyProof
		reason Reason
	}{
		"a card's":             {sign(pkoc, credential.SchemePKOC, "", nonce), grant},
		"a phone's":            {sign(mobile, credential.SchemeMobile, device, nonce), grant},
		"of another door":      {sign(mobile, credential.SchemeMobile, "device_euc_2", nonce), unknown},
		"of the other scheme":  {sign(mobile, credential.SchemePKOC, "", nonce), unknown},
		"of another challenge": {bad, unknown},
		"none":                 {nil, unknown},
	} {
		p := Presented{Card: &lockwirev1.Card{Format: lockwirev1.CardFormat_CARD_FORMAT_PKOC, BitLength: 520, Bits: public}, Proof: c.proof}
		if d, _ := h.Decide(at(begin), p); d.Reason != c.reason {
			t.Errorf("%s: %+v", what, d)
		}
	}
}
