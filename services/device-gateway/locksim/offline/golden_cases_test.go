package offline

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"math/big"
	"slices"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/policy/credential"
)

// The words of the cases. Schedule 5 holds from 10 to 20 minutes after the bundle was made, and again from 30 to 40;
// schedule 7 from 15 to 35; schedule 9 at all times of the bundle, and schedule 6 never.
func aDoor(change func(*lockwirev1.BundleDoor)) *lockwirev1.BundleDoor {
	windows := func(minutes ...int) (all []*lockwirev1.BundleWindow) {
		for i := 0; i < len(minutes); i += 2 {
			all = append(all, &lockwirev1.BundleWindow{FromMs: minute(minutes[i]), ToMs: minute(minutes[i+1])})
		}
		return all
	}
	door := &lockwirev1.BundleDoor{
		DoorId: "door_1", UnlockMs: 3000, AfterBudget: lockwirev1.AfterBudget_AFTER_BUDGET_STAY_SECURE,
		Keys: []*lockwirev1.BundleKey{{Id: "k", Key: testKey[:]}},
		Schedules: []*lockwirev1.BundleSchedule{
			{Ref: 5, Windows: windows(10, 20, 30, 40)}, {Ref: 6}, {Ref: 7, Windows: windows(15, 35)}, {Ref: 9, Windows: windows(0, 120)},
		},
		Rules: &lockwirev1.BundleRules{},
	}
	change(door)
	return door
}

// ruled is a door with rules.
func ruled(change func(*lockwirev1.BundleRules)) *lockwirev1.BundleDoor {
	return aDoor(func(d *lockwirev1.BundleDoor) { change(d.Rules) })
}

func plain() *lockwirev1.BundleDoor { return aDoor(func(*lockwirev1.BundleDoor) {}) }

func minute(n int) uint64 { return issuedMs + uint64(n)*60_000 }

// in is the clock at so many minutes, ms the same and so many milliseconds. The lock booted an hour before the bundle was made; a clock
// that shows an earlier time is wrong.
func in(minutes int) Clock { return ms(minutes, 0) }

func ms(minutes, more int) Clock {
	return Clock{Set: true, UnixMs: uint64(int(minute(minutes)) + more), UptimeMs: uint64(max(0, 3_600_000+minutes*60_000+more))}
}

func noClock(uptime time.Duration) Clock { return Clock{UptimeMs: uint64(uptime.Milliseconds())} }

func card(name string) Presented              { return Presented{Card: uid(name)} }
func with(name, digits string) Presented      { return Presented{Card: uid(name), PIN: digits} }
func code(digits string) Presented            { return Presented{PIN: digits} }
func right(id string) *lockwirev1.BundleRight { return &lockwirev1.BundleRight{GrantId: id} }

func during(id string, schedules ...uint64) *lockwirev1.BundleRight {
	return &lockwirev1.BundleRight{GrantId: id, Schedules: schedules}
}

func ranked(id string, rank uint32) *lockwirev1.BundleRight {
	return &lockwirev1.BundleRight{GrantId: id, OverrideRank: rank}
}

func timed(id string, from, to uint64) *lockwirev1.BundleRight {
	return &lockwirev1.BundleRight{GrantId: id, FromMs: from, ToMs: to}
}

func limited(id string) *lockwirev1.BundleRight {
	return &lockwirev1.BundleRight{GrantId: id, Limited: true}
}

// has is an entry with rights.
func has(name string, rights ...*lockwirev1.BundleRight) *lockwirev1.BundleEntry {
	return carrying(name, false, rights...)
}

func listed(e *lockwirev1.BundleEntry) *lockwirev1.BundleEntry { e.Emergency = true; return e }
func leads(e *lockwirev1.BundleEntry) *lockwirev1.BundleEntry  { e.MayBeFirst = true; return e }

func digits(e *lockwirev1.BundleEntry, pin string) *lockwirev1.BundleEntry {
	d := credential.PINDigest(testKey, e.GetPersonId(), pin)
	e.Pins = append(e.Pins, &lockwirev1.BundleDigest{KeyId: "k", Digest: d[:]})
	return e
}

// keyed has other digests than those of a UID card.
func keyed(name string, d [32]byte, rights ...*lockwirev1.BundleRight) *lockwirev1.BundleEntry {
	e := has(name, rights...)
	e.Digests[0].Digest = d[:]
	return e
}

func opensBy(name, digits string) *lockwirev1.BundleEntry {
	return keyed(name, credential.EntryCodeDigest(testKey, digits), right("grant-"+name))
}

// phone is the key of the vectors' mobile key: the 32 bytes are all 4.
func phone() *ecdsa.PrivateKey {
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{4}, 32))
	if err != nil {
		panic(err) // 4 is a scalar
	}
	return key
}

func point() []byte {
	b, err := phone().PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	return b
}

// proven presents the key with an answer, signed as RFC 6979 says, so that the file does not change.
func proven(scheme lockwirev1.ProofScheme, of string, change func(*lockwirev1.KeyProof)) Presented {
	names := map[lockwirev1.ProofScheme]string{1: credential.SchemePKOC, 2: credential.SchemeMobile}
	nonce := bytes.Repeat([]byte{0x5a}, 16)
	sum := sha256.Sum256(credential.ProofMessage(names[scheme], of, nonce))
	signed, err := phone().Sign(nil, sum[:], crypto.SHA256)
	if err != nil {
		panic(err)
	}
	var pair struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(signed, &pair); err != nil {
		panic(err)
	}
	proof := &lockwirev1.KeyProof{Scheme: scheme, Nonce: nonce, Signature: slices.Concat(pair.R.FillBytes(make([]byte, 32)), pair.S.FillBytes(make([]byte, 32)))}
	change(proof)
	return Presented{Card: publicKey(), Proof: proof}
}

func publicKey() *lockwirev1.Card {
	return &lockwirev1.Card{Format: lockwirev1.CardFormat_CARD_FORMAT_PKOC, BitLength: 520, Bits: point()}
}

func asks(clock Clock, p Presented, reason Reason, by string) decisionStep {
	return decisionStep{clock: clock, p: p, reason: reason, by: by}
}

// warns is a step that opens without what a rule needs.
func warns(clock Clock, p Presented, reason Reason, by string) decisionStep {
	return decisionStep{clock: clock, p: p, reason: reason, warning: stateUnknown, by: by}
}

// lasts is a step that opens for a time of its own, milliseconds.
func lasts(s decisionStep, unlock uint32) decisionStep { s.unlock = unlock; return s }

// decisionCases are all cases, in the order of the rules.
func decisionCases() []decisionCase {
	return slices.Concat(whoCases(), whenCases(), rightCases(), openCases(), factorCases(), passageCases())
}
