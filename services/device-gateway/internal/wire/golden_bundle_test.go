package wire

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

// goldenBundles is bundles.json: one lock's life with bundles, step by step.
type goldenBundles struct {
	DeviceID string   `json:"device_id"`
	Root     hexBytes `json:"root"`
	// SignerKey is the private key behind signer_chain, so that others can sign vectors of their own.
	SignerKey hexBytes       `json:"signer_private_key"`
	Schedules []goldenRef    `json:"schedule_refs"`
	Steps     []goldenBundle `json:"steps"`
}

type goldenRef struct {
	ID  string `json:"id"`
	Ref uint64 `json:"ref,string"`
}

type goldenBundle struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	// Now is the lock's time, milliseconds since 1970 UTC.
	Now uint64 `json:"now_ms"`
	// Restart: the lock holds nothing before this step.
	Restart bool     `json:"restart"`
	Frame   hexBytes `json:"frame"`
	// Content is what is signed, in protobuf's JSON mapping.
	Content json.RawMessage `json:"content"`
	// Ack is the BundleAck that the lock answers.
	Ack json.RawMessage `json:"ack"`
	// Entries are the hashes of all entries that the lock holds after the step, in rising order.
	Entries []hexBytes `json:"entries"`
}

// bundleStep is a step as the test makes it.
type bundleStep struct {
	name, title string
	restart     bool
	now         uint64
	m           proto.Message
}

func bundleSteps() []bundleStep {
	return slices.Concat(lifeSteps(), unknownSteps(), versionSteps(), signerSteps())
}

// lifeSteps are a lock's bundles as they come and as they must not.
func lifeSteps() []bundleStep {
	full, delta, all := fullBundle(), deltaBundle(), entries()
	twisted := signedBundle(full, signerChain())
	twisted.Signature = slices.Clone(twisted.Signature)
	twisted.Signature[len(twisted.Signature)-1] ^= 1
	swapped := signedBundle(full, signerChain())
	swapped.Version = 16
	labelled := signedRevocations(revoked(), signerChain())
	labelled.Signature = signerKey().sign([]byte("cardea-bundle/1\x00"), labelled.GetSigned())
	chain := func(change func(*x509.Certificate)) [][]byte { return [][]byte{signerCertificate(rootKey(), change)} }
	content := func(of *lockwirev1.BundleContent, change func(*lockwirev1.BundleContent)) *lockwirev1.BundleContent {
		c := proto.CloneOf(of)
		change(c)
		return c
	}
	type bc = lockwirev1.BundleContent
	afterAll := wholeBundle(21, door(), all[1])
	return []bundleStep{
		{"full", "the first bundle: all of it", true, vectorNow, signedBundle(full, signerChain())},
		{"revocations", "one entry is taken out", false, vectorNow, signedRevocations(revoked(), signerChain())},
		{"revocations-again", "the same again: nothing changes", false, vectorNow, signedRevocations(revoked(), signerChain())},
		{"delta", "a difference onto version 18: another entry in", false, vectorNow, signedBundle(delta, signerChain())},
		{"delta-again", "the same again: it is applied, and said so again", false, vectorNow, signedBundle(delta, signerChain())},
		{"full-older", "an older whole one: a lock does not go back", false, vectorNow, signedBundle(full, signerChain())},
		{"delta-wrong-hash", "a difference whose result has another hash", false, vectorNow, signedBundle(
			content(delta, func(c *bc) { c.Version, c.BaseVersion, c.Hash = 20, 19, make([]byte, 32) }), signerChain())},
		{"wrong-signature", "a changed signature", false, vectorNow, twisted},
		{"wrong-version", "the version outside is not the signed one", false, vectorNow, swapped},
		{"wrong-device", "another device's", false, vectorNow, signedBundle(content(full, func(c *bc) { c.DeviceId, c.Version = "device_x", 20 }), signerChain())},
		{"wrong-label", "revocations signed as a bundle", false, vectorNow, labelled},
		{"wrong-root", "the signer is another root's", false, vectorNow, signedBundle(
			content(full, func(c *bc) { c.Version = 20 }), [][]byte{signerCertificate(strayKey(), nil)})},
		{"wrong-name", "the signer has the name of a gateway", false, vectorNow, signedBundle(content(full, func(c *bc) { c.Version = 20 }),
			chain(func(c *x509.Certificate) { c.DNSNames = []string{"gateway.cardea"} }))},
		{"signer-ended", "the signer's certificate has ended", false, vectorNow + 100*86_400_000, signedBundle(content(full, func(c *bc) { c.Version = 20 }), signerChain())},
		{"revocations-all", "forget everything", false, vectorNow, signedRevocations(
			&lockwirev1.RevocationsContent{DeviceId: vectorDevice, Version: 20, All: true}, signerChain())},
		{"full-again", "a new whole one", false, vectorNow, signedBundle(afterAll, signerChain())},
		{"overtaken-revocations", "revocations overtake a bundle that is under way ...", true, vectorNow, signedRevocations(revoked(), signerChain())},
		{"overtaken-full", "... which is applied without what they took out", false, vectorNow, signedBundle(full, signerChain())},
		{"overtaken-delta", "the next difference is onto the revocations' version", false, vectorNow, signedBundle(delta, signerChain())},
		{"base-between", "a whole one; then revocations overtake a difference onto it ...", true, vectorNow, signedBundle(full, signerChain())},
		{"base-between-revocations", "... version 20 comes first ...", false, vectorNow, signedRevocations(
			&lockwirev1.RevocationsContent{DeviceId: vectorDevice, Version: 20, Removed: [][]byte{entryHash(all[1])}}, signerChain())},
		{"base-between-delta", "... and the difference of version 19 onto 17 is checked with what was taken out, and applied without", false, vectorNow, signedBundle(
			content(delta, func(c *bc) {
				c.BaseVersion, c.Removed, c.Hash = 17, [][]byte{entryHash(all[0]), entryHash(all[2])}, contentHash(c.GetDoor(), all[1], c.GetEntries()[0])
			}), signerChain())},
		{"base-future", "a difference onto a version that the lock never had", false, vectorNow, signedBundle(
			content(delta, func(c *bc) { c.Version, c.BaseVersion, c.Hash = 30, 29, contentHash(c.GetDoor(), c.GetEntries()...) }), signerChain())},
		{"all-first", "forget everything overtakes a bundle ...", true, vectorNow, signedRevocations(
			&lockwirev1.RevocationsContent{DeviceId: vectorDevice, Version: 18, All: true}, signerChain())},
		{"all-then-full", "... which is refused", false, vectorNow, signedBundle(full, signerChain())},
	}
}

func TestGoldenBundles(t *testing.T) {
	key, err := signerKey().Bytes()
	if err != nil {
		t.Fatal(err)
	}
	file := goldenBundles{
		DeviceID: vectorDevice, Root: rootCertificate(rootKey()), SignerKey: key, Schedules: []goldenRef{{officeHours, scheduleRef(officeHours)}},
	}
	lock := &bundleLock{device: vectorDevice, root: file.Root}
	for _, s := range bundleSteps() {
		if s.restart {
			lock = &bundleLock{device: vectorDevice, root: file.Root}
		}
		ack := lock.take(s.m, s.now)
		file.Steps = append(file.Steps, goldenBundle{
			Name: s.name, Title: s.title, Now: s.now, Restart: s.restart, Frame: frameOf(t, s.m), Content: fieldsOf(t, contentOf(t, s.m)),
			Ack: fieldsOf(t, ack), Entries: lock.holds(),
		})
	}
	holdGolden(t, "bundles.json", file)
	want := "ok ok ok ok ok BASE BASE SIGNATURE SIGNATURE SIGNATURE SIGNATURE SIGNATURE SIGNATURE SIGNATURE ok ok ok ok ok ok ok ok BASE ok BASE " +
		"ok UNKNOWN UNKNOWN UNKNOWN UNKNOWN UNKNOWN UNKNOWN UNKNOWN UNKNOWN UNKNOWN UNKNOWN UNKNOWN UNKNOWN BASE UNKNOWN UNKNOWN " +
		"ok BASE BASE ok ok ok ok ok BASE BASE SIGNATURE SIGNATURE SIGNATURE SIGNATURE SIGNATURE ok"
	var got []string
	for _, s := range file.Steps {
		ack := struct{ Problem string }{}
		if err := json.Unmarshal(s.Ack, &ack); err != nil {
			t.Fatal(err)
		}
		got = append(got, cmpOr(strings.TrimPrefix(ack.Problem, "BUNDLE_PROBLEM_"), "ok"))
	}
	if strings.Join(got, " ") != want {
		t.Errorf("the lock answers %s\nwant %s", got, want)
	}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func contentOf(t *testing.T, m proto.Message) proto.Message {
	t.Helper()
	var content proto.Message = new(lockwirev1.BundleContent)
	signed := m.(interface{ GetSigned() []byte }).GetSigned()
	if _, ok := m.(*lockwirev1.Revocations); ok {
		content = new(lockwirev1.RevocationsContent)
	}
	if err := proto.Unmarshal(signed, content); err != nil {
		t.Fatal(err)
	}
	return content
}

// bundleLock keeps bundles as PROTOCOL.md says, rule by rule, and nothing else; the simulated lock has an implementation of its own.
type bundleLock struct {
	device string
	root   []byte
	// bundle is the newest Bundle's version, latest the highest that was applied of either kind, forgotten that of the last
	// Revocations with all.
	bundle, latest, forgotten uint64
	door                      []byte
	content                   []byte // the hash as it was signed
	// entries that were taken out by Revocations stay, as false, so that the next difference can be checked.
	entries    map[string]bool
	tombstones map[string]uint64
}

// holds are the hashes of the entries that can open.
func (l *bundleLock) holds() []hexBytes {
	held := []hexBytes{}
	for _, name := range slices.Sorted(maps.Keys(l.entries)) {
		if l.entries[name] {
			held = append(held, unhex(name))
		}
	}
	return held
}

// hash is BundleAck's.
func (l *bundleLock) hash() []byte {
	if l.bundle == 0 {
		return nil
	}
	var hashes [][]byte
	for _, b := range l.holds() {
		hashes = append(hashes, b)
	}
	return hashOfSet(l.door, hashes)
}

func (l *bundleLock) take(m proto.Message, now uint64) *lockwirev1.BundleAck {
	problem := lockwirev1.BundleProblem_BUNDLE_PROBLEM_SIGNATURE
	var version uint64
	switch m := m.(type) {
	case *lockwirev1.Revocations:
		version = m.GetVersion()
		c := new(lockwirev1.RevocationsContent)
		if l.signed("cardea-revocations/1\x00", m, c, now) && c.GetDeviceId() == l.device && c.GetVersion() == version {
			problem = lockwirev1.BundleProblem_BUNDLE_PROBLEM_UNKNOWN
			if sized(c.GetRemoved()) {
				problem = 0
				l.revoke(c)
			}
		}
	case *lockwirev1.Bundle:
		version = m.GetVersion()
		c := new(lockwirev1.BundleContent)
		if l.signed("cardea-bundle/1\x00", m, c, now) && c.GetDeviceId() == l.device && c.GetVersion() == version {
			problem = l.apply(c)
		}
	}
	return &lockwirev1.BundleAck{Version: version, Applied: problem == 0, Hash: l.hash(), Problem: problem}
}

func (l *bundleLock) revoke(c *lockwirev1.RevocationsContent) {
	if c.GetVersion() < l.bundle || c.GetVersion() < l.forgotten {
		return
	}
	l.latest = max(l.latest, c.GetVersion())
	if c.GetAll() {
		l.bundle, l.door, l.entries, l.forgotten = 0, nil, nil, c.GetVersion()
		l.dropTombstones(c.GetVersion())
		return
	}
	if l.tombstones == nil {
		l.tombstones = map[string]uint64{}
	}
	for _, hash := range c.GetRemoved() {
		name := hex.EncodeToString(hash)
		l.tombstones[name] = max(l.tombstones[name], c.GetVersion())
		if _, held := l.entries[name]; held {
			l.entries[name] = false
		}
	}
}

func (l *bundleLock) dropTombstones(upTo uint64) {
	maps.DeleteFunc(l.tombstones, func(_ string, version uint64) bool { return version <= upTo })
}

func (l *bundleLock) apply(c *lockwirev1.BundleContent) lockwirev1.BundleProblem {
	const wrongBase = lockwirev1.BundleProblem_BUNDLE_PROBLEM_BASE
	version, base := c.GetVersion(), c.GetBaseVersion()
	switch {
	case l.bundle != 0 && version == l.bundle && bytes.Equal(c.GetHash(), l.content):
		return 0
	case version <= l.bundle || version <= l.forgotten:
		return wrongBase
	case base != 0 && (l.bundle == 0 || base < l.bundle || base > l.latest):
		return wrongBase
	case !understood(c):
		return lockwirev1.BundleProblem_BUNDLE_PROBLEM_UNKNOWN
	}
	next := map[string]bool{}
	if base != 0 {
		next = maps.Clone(l.entries)
		maps.DeleteFunc(next, func(name string, _ bool) bool { v, ok := l.tombstones[name]; return ok && v <= version })
	}
	for _, hash := range c.GetRemoved() {
		delete(next, hex.EncodeToString(hash))
	}
	for _, entry := range c.GetEntries() {
		next[hex.EncodeToString(entryHash(entry))] = true
	}
	var hashes [][]byte
	for name := range next {
		hashes = append(hashes, unhex(name))
	}
	if !bytes.Equal(hashOfSet(c.GetDoor(), hashes), c.GetHash()) {
		return wrongBase
	}
	l.dropTombstones(version)
	for name := range l.tombstones {
		if _, ok := next[name]; ok {
			next[name] = false
		}
	}
	l.entries, l.door, l.content, l.bundle, l.latest = next, c.GetDoor(), c.GetHash(), version, max(l.latest, version)
	return 0
}

func (l *bundleLock) signed(label string, m interface {
	GetSigned() []byte
	GetSignature() []byte
	GetSignerChain() [][]byte
}, content proto.Message, now uint64) bool {
	chain := m.GetSignerChain()
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil || !verifies(chain, l.root, "bundles.cardea", now) {
		return false
	}
	hash := hashOf(append([]byte(label), m.GetSigned()...))
	key, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	return ok && key.Curve == elliptic.P256() && ecdsa.VerifyASN1(key, hash, m.GetSignature()) && proto.Unmarshal(m.GetSigned(), content) == nil
}

// verifies says whether a chain from a server's leaf with a name leads to a root at a moment.
func verifies(chain [][]byte, root []byte, name string, now uint64) bool {
	l, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return false
	}
	between := x509.NewCertPool()
	for _, der := range chain[1:] {
		if c, err := x509.ParseCertificate(der); err == nil {
			between.AddCert(c)
		}
	}
	r, err := x509.ParseCertificate(root)
	if err != nil {
		return false
	}
	pool := x509.NewCertPool()
	pool.AddCert(r)
	_, err = l.Verify(x509.VerifyOptions{
		Roots: pool, Intermediates: between, DNSName: name, CurrentTime: time.UnixMilli(int64(now)), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return err == nil
}
