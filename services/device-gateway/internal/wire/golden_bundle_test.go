package wire

import (
	"crypto/x509"
	"encoding/json"
	"slices"
	"strings"
	"testing"

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
	var acks []json.RawMessage
	for _, s := range file.Steps {
		acks = append(acks, s.Ack)
	}
	wantProblems(t, acks, want)
}

// wantProblems looks at what BundleAcks, as JSON, say: the names of their problems, or ok.
func wantProblems(t *testing.T, acks []json.RawMessage, want string) {
	t.Helper()
	var got []string
	for _, text := range acks {
		ack := struct{ Problem string }{}
		if err := json.Unmarshal(text, &ack); err != nil {
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
