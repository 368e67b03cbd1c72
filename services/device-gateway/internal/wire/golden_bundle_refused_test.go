package wire

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

// smallDoor and smallEntry are as little as a bundle may have: most of their steps are refused for one thing that is added.
func smallDoor() *lockwirev1.BundleDoor {
	return &lockwirev1.BundleDoor{
		DoorId: "door_1", AfterBudget: lockwirev1.AfterBudget_AFTER_BUDGET_STAY_SECURE, Rules: &lockwirev1.BundleRules{},
		Keys: []*lockwirev1.BundleKey{{Id: "k", Key: digestKey()}},
	}
}

func smallEntry(name string) *lockwirev1.BundleEntry {
	return &lockwirev1.BundleEntry{
		CredentialId: name, Digests: []*lockwirev1.BundleDigest{{KeyId: "k", Digest: hashOf([]byte(name))}},
		Rights: []*lockwirev1.BundleRight{{GrantId: name}},
	}
}

// onto makes a difference of a content: the hash stays that of what a lock has that applies it.
func onto(base uint64, c *lockwirev1.BundleContent, removed [][]byte, added ...[]byte) *lockwirev1.BundleContent {
	c.BaseVersion, c.Removed, c.Entries = base, removed, added
	return c
}

// unknownIn adds a field to a message that nobody knows: number 100, value 1.
func unknownIn(m proto.Message) { m.ProtoReflect().SetUnknown(unhex("a00601")) }

// unknownSteps are R-HOLD-5 and the length of revoked hashes (R-HOLD-9). A lock that does not look at the one thing finds the hash of the
// content right, and applies it.
func unknownSteps() []bundleStep {
	a, b := serialized(smallEntry("a")), serialized(smallEntry("b"))
	door := func(change func(*lockwirev1.BundleDoor)) *lockwirev1.BundleContent {
		d := smallDoor()
		change(d)
		return wholeBundle(18, d, a)
	}
	entry := func(change func(*lockwirev1.BundleEntry)) *lockwirev1.BundleContent {
		e := smallEntry("b")
		change(e)
		return wholeBundle(18, smallDoor(), a, serialized(e))
	}
	cutDoor := wholeBundle(18, smallDoor(), a)
	cutDoor.Door = cutDoor.Door[:len(cutDoor.Door)-1]
	cutDoor.Hash = contentHash(cutDoor.Door, a)
	wrongHash := door(func(d *lockwirev1.BundleDoor) { unknownIn(d) })
	wrongHash.Hash = make([]byte, 32)
	older := door(func(d *lockwirev1.BundleDoor) { unknownIn(d) })
	older.Version = 16
	steps := []bundleStep{step("small", "a small whole one", wholeBundle(17, smallDoor(), a, b))}
	steps[0].restart = true
	return append(steps,
		step("door-unknown-field", "a field of the door that the lock does not know", door(func(d *lockwirev1.BundleDoor) { unknownIn(d) })),
		step("door-unknown-field-inside", "... of its rules", door(func(d *lockwirev1.BundleDoor) { unknownIn(d.GetRules()) })),
		step("door-cut", "a door that does not parse", cutDoor),
		step("key-31-bytes", "a digest key of 31 bytes", door(func(d *lockwirev1.BundleDoor) { d.Keys[0].Key = digestKey()[:31] })),
		step("entry-unknown-field", "a field of an entry that the lock does not know", entry(func(e *lockwirev1.BundleEntry) { unknownIn(e) })),
		step("entry-unknown-field-inside", "... of its second right", entry(func(e *lockwirev1.BundleEntry) {
			e.Rights = append(e.Rights, &lockwirev1.BundleRight{GrantId: "c"})
			unknownIn(e.GetRights()[1])
		})),
		step("entry-cut", "an entry that does not parse", wholeBundle(18, smallDoor(), a, b[:len(b)-1])),
		step("digest-31-bytes", "a digest of 31 bytes", entry(func(e *lockwirev1.BundleEntry) { e.Digests[0].Digest = e.Digests[0].Digest[:31] })),
		step("pin-33-bytes", "a PIN's digest of 33 bytes", entry(func(e *lockwirev1.BundleEntry) {
			e.Pins = []*lockwirev1.BundleDigest{{KeyId: "k", Digest: make([]byte, 33)}}
		})),
		step("removed-15-bytes", "a removed hash of 15 bytes", onto(17, wholeBundle(18, smallDoor(), a, b), [][]byte{entryHash(a)[:15]})),
		step("removed-32-bytes", "a removed hash that is the whole SHA-256", onto(17, wholeBundle(18, smallDoor(), b), [][]byte{hashOf(a)})),
		step("unknown-and-wrong-hash", "an unknown field comes before a wrong hash", wrongHash),
		step("unknown-and-older", "... and an older version before an unknown field", older),
		revoke("revoked-15-bytes", "a revoked hash of 15 bytes", 18, entryHash(a)[:15]),
		revoke("revoked-32-bytes", "one that is the whole SHA-256: nothing of the message is applied", 18, entryHash(b), hashOf(a)),
	)
}

// versionSteps are R-HOLD-2 to 4, 8, 10 and 12 where unknownSteps end.
func versionSteps() []bundleStep {
	a, b, c, d := serialized(smallEntry("a")), serialized(smallEntry("b")), serialized(smallEntry("c")), serialized(smallEntry("d"))
	all := signedRevocations(&lockwirev1.RevocationsContent{DeviceId: vectorDevice, Version: 21, All: true}, signerChain())
	older := signedRevocations(&lockwirev1.RevocationsContent{DeviceId: vectorDevice, Version: 19, All: true}, signerChain())
	return []bundleStep{
		step("small-delta", "nothing has changed: a difference onto version 17 is applied", onto(17, wholeBundle(18, smallDoor(), a, b, c), nil, c)),
		step("base-below", "a difference onto a version below the bundle that is held", onto(17, wholeBundle(20, smallDoor(), a, b), [][]byte{entryHash(c)})),
		step("same-version-other-hash", "the version that is held, with another content", wholeBundle(18, smallDoor(), a, b)),
		revoke("revocations-below", "revocations below the version that is held count as applied and change nothing", 17, entryHash(a)),
		revoke("taken-out", "an entry that is held, and one that is not, are taken out ...", 19, entryHash(a), entryHash(d)),
		step("given-back", "... and a bundle of a higher version brings both back", wholeBundle(20, smallDoor(), a, d)),
		{"forget", "forget everything", false, vectorNow, all},
		{"forget-older", "an older one counts as applied and changes nothing ...", false, vectorNow, older},
		step("forgotten-version", "... so that a bundle of a version between them is refused", wholeBundle(20, smallDoor(), a)),
		step("delta-without-bundle", "a difference onto the version that the lock has forgotten all at", onto(21, wholeBundle(22, smallDoor(), a), nil, a)),
	}
}

// signerSteps are R-HOLD-1's signers, for a lock that holds nothing.
func signerSteps() []bundleStep {
	content := wholeBundle(22, smallDoor())
	client := signerCertificate(rootKey(), func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	early := step("signer-not-yet", "the signer's certificate has not begun", content)
	early.now -= 25 * hour
	other := otherCurveKey()
	curve := signedBundle(content, [][]byte{certificate(signerTemplate(), rootTemplate(), other, rootKey())})
	curve.Signature = other.sign([]byte("cardea-bundle/1\x00"), curve.GetSigned())
	between := &x509.Certificate{
		SerialNumber: big.NewInt(4), Subject: pkix.Name{CommonName: "between"}, NotBefore: rootTemplate().NotBefore, NotAfter: rootTemplate().NotAfter,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	chain := [][]byte{
		certificate(signerTemplate(), between, signerKey(), strayKey()), certificate(between, rootTemplate(), strayKey(), rootKey()),
	}
	return []bundleStep{
		{"signer-client-usage", "the signer's certificate has the usage of a client only", false, vectorNow, signedBundle(content, [][]byte{client})},
		{"signer-p224", "the signer's key is of another curve, P-224", false, vectorNow, curve},
		early,
		{"signer-with-its-root", "a signer of another root, which is in the chain", false, vectorNow, signedBundle(
			content, [][]byte{signerCertificate(strayKey(), nil), rootCertificate(strayKey())})},
		{"signer-chain-cut", "a signer below another certificate, which is not in the chain", false, vectorNow, signedBundle(content, chain[:1])},
		{"signer-chain", "... and is", false, vectorNow, signedBundle(content, chain)},
	}
}

func step(name, title string, c *lockwirev1.BundleContent) bundleStep {
	return bundleStep{name, title, false, vectorNow, signedBundle(c, signerChain())}
}

func revoke(name, title string, version uint64, removed ...[]byte) bundleStep {
	return bundleStep{name, title, false, vectorNow, signedRevocations(&lockwirev1.RevocationsContent{DeviceId: vectorDevice, Version: version, Removed: removed}, signerChain())}
}

// otherCurveKey is the P-224 key whose 28 bytes are all 6. (A signature by a key of a larger curve than P-256 is too long for the message.)
func otherCurveKey() fixedKey {
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P224(), bytes.Repeat([]byte{6}, 28))
	if err != nil {
		panic(err)
	}
	return fixedKey{key}
}
