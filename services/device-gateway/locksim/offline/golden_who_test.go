package offline

import (
	"bytes"
	"crypto/sha256"
	"strings"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/policy/credential"
)

// whoCases are R-DECIDE-1 to 3.
func whoCases() []decisionCase {
	mobile, pkoc := lockwirev1.ProofScheme_PROOF_SCHEME_MOBILE, lockwirev1.ProofScheme_PROOF_SCHEME_PKOC
	as := func(*lockwirev1.KeyProof) {}
	otherKey := [32]byte{8}
	rotated := keyed("rota", credential.Digest(otherKey, credential.KindCard, credential.FormatUID, 32, []byte("rota")), right("grant-rota"))
	rotated.Digests[0].KeyId = "k2"
	twoKeys := aDoor(func(d *lockwirev1.BundleDoor) {
		d.Keys = append(d.Keys, &lockwirev1.BundleKey{Id: "k2", Key: otherKey[:]})
	})
	badge := lockwirev1.Card{Format: lockwirev1.CardFormat_CARD_FORMAT_WIEGAND26, BitLength: 26, Bits: []byte{0x88, 0x89, 0x33, 0xc0}}
	wiegand := keyed("wieg", credential.Digest(testKey, credential.KindCard, credential.FormatWiegand26, 26, badge.GetBits()), right("grant-wieg"))
	oldPhone := keyed("oldp", credential.Digest(testKey, credential.KindMobile, credential.FormatUID, 32, []byte("oldp")), right("grant-oldp"))
	newPhone := keyed("newp", credential.Digest(testKey, credential.KindMobile, credential.FormatPKOC, 520, point()), right("grant-newp"))
	return []decisionCase{
		{"no-bundle", "without a bundle nothing is decided", []int{1}, nil, nil, []decisionStep{
			{clock: in(1), p: card("anna")}, {clock: in(1), p: code("471100")}}},
		{"broken-door", "facts about the door could not be read", []int{2}, aDoor(func(d *lockwirev1.BundleDoor) { d.Broken, d.OpenSchedule = true, 9 }),
			[]*lockwirev1.BundleEntry{has("anna", right("grant-anna"))}, []decisionStep{
				asks(in(1), card("anna"), brokenFacts, ""), asks(in(1), card("none"), brokenFacts, ""), asks(in(200), card("anna"), brokenFacts, "")}},
		missing("open-schedule", func(d *lockwirev1.BundleDoor) { d.OpenSchedule = 77 }),
		missing("second-factor-schedule", func(d *lockwirev1.BundleDoor) { d.Rules.SecondFactor, d.Rules.SecondFactorSchedule = true, 77 }),
		missing("first-person-schedule", func(d *lockwirev1.BundleDoor) { d.Rules.FirstPerson, d.Rules.FirstPersonSchedule = true, 77 }),
		{"cards", "cards of several formats, and a phone of an older kind; a digest is of one format, kind and key", []int{3}, twoKeys,
			[]*lockwirev1.BundleEntry{has("anna", right("grant-anna")), rotated, wiegand, oldPhone}, []decisionStep{
				asks(in(1), card("anna"), grant, "grant-anna"), asks(in(1), card("rota"), grant, "grant-rota"), asks(in(1), card("none"), unknown, ""),
				asks(in(1), Presented{Card: &badge}, grant, "grant-wieg"), asks(in(1), card("oldp"), grant, "grant-oldp"),
				asks(in(1), Presented{Card: &lockwirev1.Card{Format: lockwirev1.CardFormat_CARD_FORMAT_WIEGAND34, BitLength: 26, Bits: badge.GetBits()}}, unknown, ""),
				asks(in(1), Presented{Card: &lockwirev1.Card{Format: 99, BitLength: 26, Bits: badge.GetBits()}}, unknown, ""),
				asks(in(1), Presented{Card: &lockwirev1.Card{Format: lockwirev1.CardFormat_CARD_FORMAT_UID, BitLength: 24, Bits: []byte("ann")}}, unknown, ""),
			}},
		{"proofs", "a public key opens only with an answer to the lock's nonce", []int{3}, plain(), []*lockwirev1.BundleEntry{newPhone}, []decisionStep{
			asks(in(1), proven(mobile, goldenDevice, as), grant, "grant-newp"), asks(in(1), proven(pkoc, "", as), grant, "grant-newp"),
			asks(in(1), Presented{Card: publicKey()}, unknown, ""), asks(in(1), proven(mobile, "device_euc_another", as), unknown, ""),
			asks(in(1), proven(mobile, goldenDevice, func(p *lockwirev1.KeyProof) { p.Scheme = pkoc }), unknown, ""),
			asks(in(1), proven(pkoc, "", func(p *lockwirev1.KeyProof) { p.Nonce = bytes.Repeat([]byte{0x5b}, 16) }), unknown, ""),
			asks(in(1), proven(pkoc, "", func(p *lockwirev1.KeyProof) { p.Scheme = 99 }), unknown, ""),
			asks(in(1), proven(pkoc, "", func(p *lockwirev1.KeyProof) { p.Signature[63] ^= 1 }), unknown, "")}},
		{"stranger-at-open-door", "an unknown card is denied while the door stands open: it may be one that was revoked", []int{3, 8, 10},
			aDoor(func(d *lockwirev1.BundleDoor) { d.OpenSchedule = 9 }), []*lockwirev1.BundleEntry{has("anna", right("grant-anna")), has("bert")}, []decisionStep{
				asks(in(1), card("none"), unknown, ""), asks(in(1), code("471100"), unknown, ""), asks(in(1), card("anna"), grant, "grant-anna"),
				asks(in(1), card("bert"), autoUnlock, "credential-bert")}},
		{"stranger-at-old-bundle", "who somebody is comes before how old the bundle is", []int{3, 4}, plain(),
			[]*lockwirev1.BundleEntry{has("anna", right("grant-anna"))}, []decisionStep{
				asks(in(120), card("none"), unknown, ""), asks(in(120), card("anna"), tooOld, "credential-anna")}},
		twins(), codes(), digestKeys(),
	}
}

// missing is a door that names schedule 77, which it does not have.
func missing(what string, change func(*lockwirev1.BundleDoor)) decisionCase {
	return decisionCase{"missing-" + what, "the door does not have the schedule that it names: " + strings.ReplaceAll(what, "-", "_"), []int{2}, aDoor(change),
		[]*lockwirev1.BundleEntry{has("anna", right("grant-anna"))}, []decisionStep{asks(in(1), card("anna"), brokenFacts, ""), asks(in(1), card("none"), brokenFacts, "")}}
}

// twins have the same digest.
func twins() decisionCase {
	a, b := has("twin", right("grant-a")), has("twin", right("grant-b"))
	a.CredentialId, b.CredentialId = "credential-a", "credential-b"
	by := "grant-a"
	x, y := sha256.Sum256(marshal(a)), sha256.Sum256(marshal(b))
	if bytes.Compare(x[:16], y[:16]) > 0 {
		by = "grant-b"
	}
	return decisionCase{"two-with-one-digest", "of two entries with the same digest the one with the lower hash counts", []int{3}, plain(),
		[]*lockwirev1.BundleEntry{a, b}, []decisionStep{asks(in(1), card("twin"), grant, by)}}
}

// digestKeys: a digest says nothing under another key than the one that it names.
func digestKeys() decisionCase {
	other := [32]byte{8}
	named := func(e *lockwirev1.BundleEntry, key string) *lockwirev1.BundleEntry {
		e.Digests[0].KeyId = key
		return e
	}
	pin := func(e *lockwirev1.BundleEntry, key string, d [32]byte) *lockwirev1.BundleEntry {
		e.Pins = []*lockwirev1.BundleDigest{{KeyId: key, Digest: d[:]}}
		return e
	}
	return decisionCase{"digest-keys", "a digest counts only under the key that its key_id names", []int{3, 9}, aDoor(func(d *lockwirev1.BundleDoor) {
		d.Keys, d.Rules.SecondFactor = append(d.Keys, &lockwirev1.BundleKey{Id: "k2", Key: other[:]}), true
	}), []*lockwirev1.BundleEntry{
		named(has("swap", right("grant-swap")), "k2"), named(has("lost", right("grant-lost")), "k3"), named(opensBy("code", "471100"), "k2"),
		pin(has("anna", right("grant-anna")), "k2", credential.PINDigest(testKey, "anna", "0427")),
		pin(has("bert", right("grant-bert")), "k2", credential.PINDigest(other, "bert", "0427")),
	}, []decisionStep{
		asks(in(1), card("swap"), unknown, ""), asks(in(1), card("lost"), unknown, ""), asks(in(1), code("471100"), unknown, ""),
		asks(in(1), with("anna", "0427"), factorWrong, "grant-anna"), asks(in(1), with("bert", "0427"), grant, "grant-bert")}}
}

// codes: ten wrong ones shut the door to codes, and to nothing else.
func codes() decisionCase {
	c := decisionCase{name: "entry-codes", title: "after ten wrong entry codes every one is unknown, until ten minutes after the first", rules: []int{3},
		door: plain(), entries: []*lockwirev1.BundleEntry{opensBy("code", "471100"), has("anna", right("grant-anna")), digits(has("bert", right("grant-bert")), "0427")}}
	c.steps = append(c.steps, asks(in(1), code("471100"), grant, "grant-code"))
	for i := range 9 {
		c.steps = append(c.steps, asks(ms(2, i*1000), code("654321"), unknown, ""))
	}
	c.steps = append(c.steps,
		asks(in(3), code("471100"), grant, "grant-code"), // a right one forgets nothing
		asks(in(4), code("0427"), unknown, ""),           // a PIN is no code: the tenth
		asks(in(5), code("471100"), unknown, ""), asks(in(5), card("anna"), grant, "grant-anna"),
		asks(ms(12, -1), code("471100"), unknown, ""), asks(in(12), code("471100"), grant, "grant-code"))
	return c
}
