package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

const (
	vectorPerson = "person_euc_01jd3q8v5dfw0b9m3cz1n2k4xw"
	vectorKeyID  = "digest_key_euc_01jd3q8v5dfw0b9m3cz1n2k4xw"
	vectorDoor   = "door_euc_01jd3q8v5dfw0b9m3cz1n2k4xw"
	vectorZone   = "zone_euc_01jd3q8v5dfw0b9m3cz1n2k4xw"

	// bundleIssued is vectorNow in whole minutes, and bundleEnd a day later.
	bundleIssued = vectorNow / 60_000 * 60_000
	bundleEnd    = bundleIssued + 86_400_000
	hour         = 3_600_000
)

// digestKey is the vectors' digest key: the bytes 0 to 31.
func digestKey() []byte {
	key := make([]byte, 32)
	for i := range key {
		key[i] = byte(i)
	}
	return key
}

func digest(input []byte) *lockwirev1.BundleDigest {
	return &lockwirev1.BundleDigest{KeyId: vectorKeyID, Digest: digestOf(digestKey(), input)}
}

// scheduleRef names a schedule in a bundle.
func scheduleRef(id string) uint64 { return binary.BigEndian.Uint64(hashOf([]byte(id))) }

const officeHours = "schedule_euc_01jd3q8v5dfw0b9m3cz1n2k4xw"

func door() *lockwirev1.BundleDoor {
	return &lockwirev1.BundleDoor{
		DoorId: vectorDoor, UnlockMs: 5000, AfterBudget: lockwirev1.AfterBudget_AFTER_BUDGET_EMERGENCY_LIST,
		Keys: []*lockwirev1.BundleKey{{Id: vectorKeyID, Key: digestKey()}},
		Schedules: []*lockwirev1.BundleSchedule{{Ref: scheduleRef(officeHours), Windows: []*lockwirev1.BundleWindow{
			{FromMs: bundleIssued, ToMs: bundleIssued + 2*hour}, {FromMs: bundleIssued + 16*hour, ToMs: bundleEnd},
		}}},
		Lockdowns: []*lockwirev1.BundleLockdown{{Rank: 5, FromMs: bundleIssued + 20*hour, ToMs: bundleIssued + 21*hour}},
		Rules:     &lockwirev1.BundleRules{SecondFactor: true, SecondFactorSchedule: scheduleRef(officeHours), AllowWithoutState: true},
		Zones:     []*lockwirev1.BundleZone{{ZoneId: vectorZone}},
	}
}

// entries are a card with office hours and a PIN, a mobile key without limits, and an entry code that ends.
func entries() [][]byte {
	right := func(from, to uint64, schedules ...uint64) []*lockwirev1.BundleRight {
		return []*lockwirev1.BundleRight{{GrantId: "grant_euc_01jd3q8v5dfw0b9m3cz1n2k4xw", FromMs: from, ToMs: to, Schedules: schedules}}
	}
	return [][]byte{
		serialized(&lockwirev1.BundleEntry{
			CredentialId: "credential_euc_01jd3q8v5dfw0b9m3cz1n2k4xa", PersonId: vectorPerson, Rights: right(0, 0, scheduleRef(officeHours)),
			Digests: []*lockwirev1.BundleDigest{digest(cardInput("card", wiegand26()))},
			Pins:    []*lockwirev1.BundleDigest{digest(pinInput(vectorPerson, "0042"))},
		}),
		serialized(&lockwirev1.BundleEntry{
			CredentialId: "credential_euc_01jd3q8v5dfw0b9m3cz1n2k4xb", PersonId: vectorPerson, Rights: right(0, 0), Emergency: true, MayBeFirst: true,
			Digests: []*lockwirev1.BundleDigest{digest(cardInput("mobile", pkoc()))},
		}),
		serialized(&lockwirev1.BundleEntry{
			CredentialId: "credential_euc_01jd3q8v5dfw0b9m3cz1n2k4xc", PersonId: "person_euc_01jd3q8v5dfw0b9m3cz1n2k4xv",
			Rights:  right(bundleIssued, bundleIssued+8*hour),
			Digests: []*lockwirev1.BundleDigest{digest(entryCodeInput("471100"))},
		}),
	}
}

func serialized(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

func entryHash(entry []byte) []byte { return hashOf(entry)[:16] }

// contentHash is SHA-256 over the door's SHA-256 and the entry hashes in rising order.
func contentHash(door []byte, entries ...[]byte) []byte {
	hashes := make([][]byte, len(entries))
	for i, e := range entries {
		hashes[i] = entryHash(e)
	}
	slices.SortFunc(hashes, bytes.Compare)
	h := sha256.New()
	h.Write(hashOf(door))
	for _, e := range hashes {
		h.Write(e)
	}
	return h.Sum(nil)
}

// strictDoor has what door does not: rules about earlier passages, a standing open, and nobody after the budget.
func strictDoor() *lockwirev1.BundleDoor {
	d := door()
	d.AfterBudget, d.OpenSchedule, d.Lockdowns = lockwirev1.AfterBudget_AFTER_BUDGET_STAY_SECURE, scheduleRef(officeHours), nil
	d.Zones = []*lockwirev1.BundleZone{{ZoneId: vectorZone, Hard: true}}
	d.Rules = &lockwirev1.BundleRules{
		FirstPerson: true, FirstPersonSchedule: scheduleRef(officeHours), FirstPersonHoldsOthers: true, FirstPersonGraceMs: hour / 2, TwoPerson: true,
	}
	return d
}

// brokenDoor opens for nobody.
func brokenDoor() *lockwirev1.BundleDoor {
	return &lockwirev1.BundleDoor{DoorId: vectorDoor, UnlockMs: 5000, AfterBudget: lockwirev1.AfterBudget_AFTER_BUDGET_KEEP_GOING, Broken: true}
}

// wholeBundle is a full bundle of a version.
func wholeBundle(version uint64, d *lockwirev1.BundleDoor, entries ...[]byte) *lockwirev1.BundleContent {
	b := serialized(d)
	return &lockwirev1.BundleContent{
		DeviceId: vectorDevice, Version: version, IssuedAtMs: bundleIssued, NotAfterMs: bundleEnd, Door: b, Entries: entries,
		Hash: contentHash(b, entries...),
	}
}

func limitedEntry() []byte {
	return serialized(&lockwirev1.BundleEntry{
		CredentialId: "credential_euc_01jd3q8v5dfw0b9m3cz1n2k4xe", PersonId: vectorPerson,
		Digests: []*lockwirev1.BundleDigest{digest(cardInput("card", wiegand34()))},
		Rights:  []*lockwirev1.BundleRight{{GrantId: "grant_euc_01jd3q8v5dfw0b9m3cz1n2k4xu", Limited: true}},
	})
}

// fullBundle has all entries, deltaBundle is onto it: without the first entry, with one more.
func fullBundle() *lockwirev1.BundleContent {
	return wholeBundle(17, door(), entries()...)
}

func deltaBundle() *lockwirev1.BundleContent {
	d, all := serialized(door()), entries()
	more := serialized(&lockwirev1.BundleEntry{
		CredentialId: "credential_euc_01jd3q8v5dfw0b9m3cz1n2k4xd", PersonId: "person_euc_01jd3q8v5dfw0b9m3cz1n2k4xu",
		Digests: []*lockwirev1.BundleDigest{digest(cardInput("card", uid7()))},
		Rights:  []*lockwirev1.BundleRight{{GrantId: "grant_euc_01jd3q8v5dfw0b9m3cz1n2k4xv", OverrideRank: 5}},
	})
	return &lockwirev1.BundleContent{
		DeviceId: vectorDevice, Version: 19, IssuedAtMs: bundleIssued, NotAfterMs: bundleEnd, BaseVersion: 17, Door: d,
		Removed: [][]byte{entryHash(all[0])}, Entries: [][]byte{more}, Hash: contentHash(d, all[1], all[2], more),
	}
}

func revoked() *lockwirev1.RevocationsContent {
	return &lockwirev1.RevocationsContent{DeviceId: vectorDevice, Version: 18, Removed: [][]byte{entryHash(entries()[0])}}
}

func signedBundle(c *lockwirev1.BundleContent, by [][]byte) *lockwirev1.Bundle {
	signed := serialized(c)
	return &lockwirev1.Bundle{
		Version: c.GetVersion(), Signed: signed, SignerChain: by, Signature: signerKey().sign([]byte("cardea-bundle/1\x00"), signed),
	}
}

func signedRevocations(c *lockwirev1.RevocationsContent, by [][]byte) *lockwirev1.Revocations {
	signed := serialized(c)
	return &lockwirev1.Revocations{
		Version: c.GetVersion(), Signed: signed, SignerChain: by, Signature: signerKey().sign([]byte("cardea-revocations/1\x00"), signed),
	}
}

func signerChain() [][]byte { return [][]byte{signerCertificate(rootKey(), nil)} }

func bundleVectors() []vector {
	all := &lockwirev1.RevocationsContent{DeviceId: vectorDevice, Version: 20, All: true}
	return []vector{
		{"bundle-full", "Bundle: the whole", false, signedBundle(fullBundle(), signerChain())},
		{"bundle-strict", "Bundle: a door with rules about earlier passages, and a key whose uses are counted", false, signedBundle(
			wholeBundle(21, strictDoor(), append(entries(), limitedEntry())...), signerChain())},
		{"bundle-empty", "Bundle: a door whose facts cannot be read; nobody", false, signedBundle(wholeBundle(22, brokenDoor()), signerChain())},
		{"bundle-delta", "Bundle: a difference onto the whole", false, signedBundle(deltaBundle(), signerChain())},
		{"revocations", "Revocations: one entry", false, signedRevocations(revoked(), signerChain())},
		{"revocations-all", "Revocations: forget the whole bundle", false, signedRevocations(all, signerChain())},
		{"bundle-ack", "BundleAck: applied", true, &lockwirev1.BundleAck{Version: 17, Applied: true, Hash: fullBundle().GetHash()}},
		{"bundle-ack-none", "BundleAck: the lock holds none now", false, &lockwirev1.BundleAck{Version: 20, Applied: true}},
		{"bundle-ack-signature", "BundleAck: refused, the signature is wrong", false, &lockwirev1.BundleAck{
			Version: 17, Problem: lockwirev1.BundleProblem_BUNDLE_PROBLEM_SIGNATURE,
		}},
		{"bundle-ack-base", "BundleAck: refused, it holds another base", false, &lockwirev1.BundleAck{
			Version: 19, Hash: fullBundle().GetHash(), Problem: lockwirev1.BundleProblem_BUNDLE_PROBLEM_BASE,
		}},
		{"bundle-ack-too-large", "BundleAck: refused, no room", false, &lockwirev1.BundleAck{
			Version: 17, Problem: lockwirev1.BundleProblem_BUNDLE_PROBLEM_TOO_LARGE,
		}},
		{"bundle-ack-unknown", "BundleAck: refused, a rule that the lock does not know", false, &lockwirev1.BundleAck{
			Version: 17, Problem: lockwirev1.BundleProblem_BUNDLE_PROBLEM_UNKNOWN,
		}},
	}
}
