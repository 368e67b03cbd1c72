package gateway_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	gateway "github.com/cardea-mesh/cardea/services/device-gateway"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
	"github.com/cardea-mesh/cardea/services/policy"
	"github.com/cardea-mesh/cardea/services/policy/credential"
)

// issued is a credential of the place's person as identity publishes it; the key by which it can be taken away.
func (p *place) issued(kind identityv1.CredentialKind, digest [32]byte) (key string) {
	p.t.Helper()
	key = outbox.OrgKey(p.org, "credential", region.NewID(region.Credential, "euc"))
	p.put(key, &identityv1.CredentialState{
		PersonId: string(p.person), Kind: kind, Digests: []*identityv1.CredentialDigest{{KeyId: string(p.keyID), Digest: digest[:]}},
	})
	return key
}

func (p *place) issuedCard(card *lockwirev1.Card, format string) {
	p.t.Helper()
	p.issued(identityv1.CredentialKind_CREDENTIAL_KIND_CARD,
		credential.Digest(p.key, credential.KindCard, format, card.GetBitLength(), card.GetBits()))
}

func (p *place) issuedKey(kind identityv1.CredentialKind, word string, key locksim.Signer) {
	p.t.Helper()
	p.issued(kind, credential.Digest(p.key, word, credential.FormatPKOC, 520, key.PublicKey()))
}

// code types an entry code and wants the reason.
func (p *place) code(l *locksim.Lock, digits string, want policy.Reason) locksim.Result {
	p.t.Helper()
	got := l.PresentCode(p.soon(), digits)
	if policy.Reason(got.Reason) != want || got.Granted != (want == policy.ReasonGrant) {
		p.t.Fatalf("%s: %s, granted %v (answered %v), wanted %s", digits, policy.Reason(got.Reason), got.Granted, got.Answered, want)
	}
	return got
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func phone(t *testing.T) *locksim.Key {
	t.Helper()
	key, err := locksim.Phone(newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestEveryFormatOfACardOpens(t *testing.T) {
	p := newPlace(t)
	card37, err := locksim.Wiegand37(65535, 524287)
	p.must(err)
	uid4, err := locksim.UID([]byte{4, 0xa1, 0xb2, 0xc3})
	p.must(err)
	uid10, err := locksim.UID([]byte("0123456789"))
	p.must(err)
	cards := []struct {
		format string
		card   *lockwirev1.Card
	}{
		{credential.FormatWiegand26, locksim.Wiegand26(17, 1)}, {credential.FormatWiegand34, locksim.Wiegand34(40_000, 2)},
		{credential.FormatWiegand37, card37}, {credential.FormatUID, uid4}, {credential.FormatUID, uid10},
	}
	for _, c := range cards {
		p.issuedCard(c.card, c.format)
	}
	g := p.start("")
	l := g.lock()
	g.applied()
	for _, c := range cards {
		t.Log(c.format)
		p.is(l, locksim.Presented{Card: c.card}, 0)
		other := &lockwirev1.Card{Format: c.card.GetFormat(), BitLength: c.card.GetBitLength(), Bits: bytes.Clone(c.card.GetBits())}
		other.Bits[1] ^= 1
		p.is(l, locksim.Presented{Card: other}, policy.ReasonUnknownCredential)
	}
	// The same bits in another format are another card.
	p.is(l, locksim.Presented{Card: &lockwirev1.Card{
		Format: lockwirev1.CardFormat_CARD_FORMAT_WIEGAND34, BitLength: 34, Bits: append(bytes.Clone(uid4.GetBits()), 0),
	}}, policy.ReasonUnknownCredential)
}

func TestAPhoneOpensByAnsweringAndItsPublicKeyDoesNot(t *testing.T) {
	p := newPlace(t)
	key, stranger := phone(t), phone(t)
	p.issuedKey(identityv1.CredentialKind_CREDENTIAL_KIND_MOBILE, credential.KindMobile, key)
	var logged safeBuffer
	g := p.start("", func(parts *gateway.Parts) {
		tel := telemetry.Discard()
		tel.Logger = slog.New(slog.NewJSONHandler(&logged, nil))
		parts.Telemetry = tel
	})
	events := p.events()
	l, elsewhere := g.lock(), g.lock()
	g.applied()
	got := l.PresentKey(p.soon(), key)
	if !got.Granted || policy.Reason(got.Reason) != policy.ReasonGrant {
		t.Fatalf("%s", policy.Reason(got.Reason))
	}
	if d := events.decision(t, l, got); d.GetGrantId() != string(p.grant) {
		t.Errorf("the event does not say by which grant: %v", d)
	}

	nonce := bytes.Repeat([]byte{9}, 32)
	answer := func(by locksim.Signer, device string) *lockwirev1.KeyProof {
		proof, err := by.Answer(device, nonce)
		p.must(err)
		return proof
	}
	card := locksim.CardOf(key.PublicKey())
	right := answer(key, l.DeviceID())
	p.is(l, locksim.Presented{Card: card, Proof: right}, 0)
	changed := func(change func(*lockwirev1.KeyProof)) *lockwirev1.KeyProof {
		proof := &lockwirev1.KeyProof{Scheme: right.GetScheme(), Nonce: bytes.Clone(nonce), Signature: bytes.Clone(right.GetSignature())}
		change(proof)
		return proof
	}
	for name, as := range map[string]locksim.Presented{
		"a copied public key":          {Card: card},
		"another key's answer":         {Card: card, Proof: answer(stranger, l.DeviceID())},
		"an answer for another lock":   {Card: card, Proof: answer(key, elsewhere.DeviceID())},
		"a changed signature":          {Card: card, Proof: changed(func(k *lockwirev1.KeyProof) { k.Signature[63] ^= 1 })},
		"another nonce":                {Card: card, Proof: changed(func(k *lockwirev1.KeyProof) { k.Nonce[0]++ })},
		"another scheme":               {Card: card, Proof: changed(func(k *lockwirev1.KeyProof) { k.Scheme = lockwirev1.ProofScheme_PROOF_SCHEME_PKOC })},
		"a scheme of a later version":  {Card: card, Proof: changed(func(k *lockwirev1.KeyProof) { k.Scheme = 99 })},
		"a key that nobody was issued": {Card: locksim.CardOf(stranger.PublicKey()), Proof: answer(stranger, l.DeviceID())},
	} {
		t.Log(name)
		if got := p.is(l, as, policy.ReasonUnknownCredential); got.Feedback != lockwirev1.Feedback_FEEDBACK_DENIED {
			t.Errorf("the reader shows %s", got.Feedback)
		}
	}
	// Presented at the lock that it is for, the answer for the other one is good: it was the device that was wrong.
	p.is(elsewhere, locksim.Presented{Card: card, Proof: answer(key, elsewhere.DeviceID())}, 0)
	if n := strings.Count(logged.String(), "without a proof"); n != 1 {
		t.Errorf("logged %d times for one device:\n%s", n, logged.String())
	}
}

func TestAPKOCCardSignsTheNonceAlone(t *testing.T) {
	p := newPlace(t)
	card, err := locksim.PKOCCard(newKey(t))
	p.must(err)
	p.issuedKey(identityv1.CredentialKind_CREDENTIAL_KIND_CARD, credential.KindCard, card)
	g := p.start("")
	l := g.lock()
	g.applied()
	p.is(l, locksim.Presented{Key: card}, 0)
	p.is(l, locksim.Presented{Card: locksim.CardOf(card.PublicKey())}, policy.ReasonUnknownCredential)
}

func TestACardAndAPINOrAPhoneAndAPIN(t *testing.T) {
	p := newPlace(t)
	key := phone(t)
	p.issuedKey(identityv1.CredentialKind_CREDENTIAL_KIND_MOBILE, credential.KindMobile, key)
	p.issued(identityv1.CredentialKind_CREDENTIAL_KIND_PIN, credential.PINDigest(p.key, string(p.person), "0427"))
	second := p.issued(identityv1.CredentialKind_CREDENTIAL_KIND_PIN, credential.PINDigest(p.key, string(p.person), "977531"))
	p.issued(identityv1.CredentialKind_CREDENTIAL_KIND_ENTRY_CODE, credential.EntryCodeDigest(p.key, "24681357"))
	p.doorIs(&permissionsv1.DoorRules{SecondFactor: &permissionsv1.SecondFactorRule{}})
	g := p.start("")
	l := g.lock()
	g.applied()
	for _, pin := range []string{"0427", "977531"} { // several PINs of one person all count
		p.is(l, locksim.Presented{PIN: pin}, 0)
		p.is(l, locksim.Presented{Key: key, PIN: pin}, 0)
	}
	p.is(l, locksim.Presented{}, policy.ReasonSecondFactorNeeded)
	p.is(l, locksim.Presented{Key: key}, policy.ReasonSecondFactorNeeded)
	p.is(l, locksim.Presented{PIN: "24681357"}, policy.ReasonSecondFactorWrong) // an entry code is no PIN
	p.is(l, locksim.Presented{Card: locksim.CardOf(key.PublicKey()), PIN: "0427"}, policy.ReasonUnknownCredential)
	p.code(l, "0427", policy.ReasonUnknownCredential) // a PIN opens nothing alone
	got := p.code(l, "24681357", policy.ReasonSecondFactorNeeded)
	if got.Feedback != lockwirev1.Feedback_FEEDBACK_DENIED {
		t.Errorf("one code cannot become two factors, but the reader shows %s", got.Feedback)
	}
	p.remove(second)
	g.applied()
	p.is(l, locksim.Presented{PIN: "977531"}, policy.ReasonSecondFactorWrong)
	p.is(l, locksim.Presented{PIN: "0427"}, 0)
}

func TestAnEntryCodeOpensAloneAndItsGuessesAreLimited(t *testing.T) {
	p := newPlace(t)
	code := p.issued(identityv1.CredentialKind_CREDENTIAL_KIND_ENTRY_CODE, credential.EntryCodeDigest(p.key, "24681357"))
	g := p.start("")
	events := p.events()
	l := g.lock()
	g.applied()
	if d := events.decision(t, l, p.code(l, "24681357", policy.ReasonGrant)); d.GetGrantId() != string(p.grant) {
		t.Errorf("the event does not say by which grant: %v", d)
	}
	for range 9 {
		p.code(l, "24681358", policy.ReasonUnknownCredential)
	}
	p.code(l, "24681357", policy.ReasonGrant) // a right one forgives none
	p.code(l, "24681358", policy.ReasonUnknownCredential)
	p.code(l, "24681357", policy.ReasonUnknownCredential) // not even looked at
	p.is(l, locksim.Presented{}, 0)                       // cards go on opening
	p.ahead.Add(int64(10 * time.Minute))
	p.code(l, "24681357", policy.ReasonGrant)
	p.remove(code)
	g.applied()
	p.code(l, "24681357", policy.ReasonUnknownCredential)
}

// safeBuffer is a log that several goroutines write.
type safeBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
