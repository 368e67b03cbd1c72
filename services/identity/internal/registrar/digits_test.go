package registrar_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/cardea-mesh/cardea/services/identity/internal/registrar"
	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/identity/internal/vault"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy/credential"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
)

func pin(digits registry.Digits) registry.Carried {
	return registry.Carried{Kind: credential.KindPIN, Digits: digits}
}

func entryCode(digits registry.Digits) registry.Carried {
	return registry.Carried{Kind: credential.KindEntryCode, Digits: digits}
}

// generator is a public key that anybody knows: P-256's generator.
var generator = registry.CardNumber{Format: "pkoc", BitLength: 520, Bits: []byte("\x04" +
	"\x6b\x17\xd1\xf2\xe1\x2c\x42\x47\xf8\xbc\xe6\xe5\x63\xa4\x40\xf2\x77\x03\x7d\x81\x2d\xeb\x33\xa0\xf4\xa1\x39\x45\xd8\x98\xc2\x96" +
	"\x4f\xe3\x42\xe2\xfe\x1a\x7f\x9b\x8e\xe7\xeb\x4a\x7c\x0f\x9e\x16\x2b\xce\x33\x57\x6b\x31\x5e\xce\xcb\xb6\x40\x68\x37\xbf\x51\xf5")}

func TestAGatewayKnowsEveryKindByItsDigest(t *testing.T) {
	t.Parallel()
	eu := newJurisdiction(t, "eu")
	acme := eu.organization(central, "acme").Organization
	person := eu.person(acme.ID, west)
	digest := func(key [32]byte, kind string) [32]byte {
		return credential.Digest(key, kind, credential.FormatPKOC, 520, generator.Bits)
	}
	for _, c := range []struct {
		what registry.Carried
		kind identityv1.CredentialKind
		want func(key [32]byte) [32]byte
	}{
		{pin("0427"), identityv1.CredentialKind_CREDENTIAL_KIND_PIN, func(key [32]byte) [32]byte {
			return credential.PINDigest(key, string(person), "0427")
		}},
		{entryCode("24681357"), identityv1.CredentialKind_CREDENTIAL_KIND_ENTRY_CODE, func(key [32]byte) [32]byte {
			return credential.EntryCodeDigest(key, "24681357")
		}},
		{registry.Carried{Kind: credential.KindMobile, Card: generator}, identityv1.CredentialKind_CREDENTIAL_KIND_MOBILE, func(key [32]byte) [32]byte {
			return digest(key, credential.KindMobile)
		}},
	} {
		issued, err := eu.give(acme.ID, person, c.what)
		if err != nil || issued.Drawn != "" {
			t.Fatalf("%s: %v", c.what.Kind, err)
		}
		key := outbox.OrgKey(acme.ID, "credential", issued.ID)
		f, _ := eu.fact(central, key)
		var state identityv1.CredentialState
		unmarshal(t, f.Body, &state)
		if state.GetKind() != c.kind || state.GetPersonId() != string(person) || len(state.GetDigests()) != 1 {
			t.Fatalf("%s: the gateway sees %v", c.what.Kind, &state)
		}
		d := state.GetDigests()[0]
		if [32]byte(d.GetDigest()) != c.want(eu.digestKeyOfGateway(acme.ID, central, region.ID(d.GetKeyId()))) {
			t.Errorf("%s: a gateway computes another digest", c.what.Kind)
		}
		eu.revoke(acme.ID, issued.ID)
		if f, _ := eu.fact(central, key); !f.Removed {
			t.Errorf("%s: it is revoked and still opens", c.what.Kind)
		}
		if _, err := eu.give(acme.ID, person, c.what); err != nil {
			t.Errorf("%s: it is not free again: %v", c.what.Kind, err)
		}
	}
}

func TestDrawnDigitsAreShownAndRestSealed(t *testing.T) {
	t.Parallel()
	eu := newJurisdiction(t, "eu")
	acme := eu.organization(central, "acme").Organization
	person := eu.person(acme.ID, central)
	for _, c := range []struct {
		what   registry.Carried
		length int
	}{{pin(""), 6}, {entryCode(""), 8}} {
		issued, err := eu.give(acme.ID, person, c.what)
		if err != nil || len(issued.Drawn) != c.length {
			t.Fatalf("%s: %d digits, %v", c.what.Kind, len(issued.Drawn), err)
		}
		var sealed, wrapped []byte
		var by string
		err = eu.database.DB.Pool().QueryRow(t.Context(), `SELECT c.sealed, k.wrapped, k.wrapping_key_id
			FROM credentials c JOIN person_keys k ON k.person_id = c.person_id WHERE c.id = $1`, issued.ID).Scan(&sealed, &wrapped, &by)
		must(t, err)
		key, err := eu.vault.OpenPersonKey(person, registry.Wrapped{Sealed: wrapped, KeyID: by})
		must(t, err)
		if plain, err := key.Open(vault.Digits, issued.ID, sealed); err != nil || string(plain) != string(issued.Drawn) {
			t.Errorf("%s: the row does not hold the digits: %v", c.what.Kind, err)
		}
		same := registry.Carried{Kind: c.what.Kind, Digits: issued.Drawn}
		if want := same.Digests(person, eu.digestKeys(acme.ID, central)); !slices.Equal(issued.Digests[0].Sum, want[0].Sum) {
			t.Errorf("%s: the digest is of other digits", c.what.Kind)
		}
	}
	if sealed := eu.sealedEvents(); len(sealed) != 1 { // the person's fields
		t.Errorf("%d events have something sealed", len(sealed))
	}
}

func TestAnEntryCodeIsItsOrganizationsOwn(t *testing.T) {
	t.Parallel()
	eu := newJurisdiction(t, "eu")
	acme, umbrella := eu.organization(central, "acme").Organization, eu.organization(central, "umbrella").Organization
	first := eu.person(acme.ID, central)
	taken, err := eu.give(acme.ID, first, entryCode("24681357"))
	must(t, err)
	for _, home := range []region.Name{central, west} {
		if _, err := eu.give(acme.ID, eu.person(acme.ID, home), entryCode("24681357")); !errors.Is(err, registry.ErrDigitsTaken) {
			t.Errorf("the same code for a person of %s: %v", home, err)
		}
	}
	_, err = eu.give(umbrella.ID, eu.person(umbrella.ID, central), entryCode("24681357"))
	must(t, err)

	// A drawn one is drawn again, until it is free or there was enough of it.
	other := eu.person(acme.ID, west)
	eu.draws = []registry.Digits{"24681357", "24681357", "86427531"}
	drawn, err := eu.give(acme.ID, other, entryCode(""))
	if err != nil || drawn.Drawn != "86427531" {
		t.Errorf("drawn again: %v", err)
	}
	eu.draws = slices.Repeat([]registry.Digits{"24681357"}, 100)
	if _, err := eu.give(acme.ID, other, entryCode("")); !errors.Is(err, registry.ErrDigitsTaken) {
		t.Errorf("nothing free: %v", err)
	}
	eu.draws = nil

	// PINs are their person's: others may have the same digits, and one person several PINs, but not one twice.
	for _, person := range []region.ID{first, other} {
		for _, digits := range []registry.Digits{"0427", "24681357"} {
			_, err := eu.give(acme.ID, person, pin(digits))
			must(t, err)
		}
	}
	if _, err := eu.give(acme.ID, first, pin("0427")); !errors.Is(err, registry.ErrDigitsTaken) {
		t.Errorf("the same PIN twice: %v", err)
	}
	eu.revoke(acme.ID, taken.ID)
	_, err = eu.give(acme.ID, other, entryCode("24681357"))
	must(t, err)
}

func TestOneKeyIsNotACardAndAPhone(t *testing.T) {
	t.Parallel()
	eu := newJurisdiction(t, "eu")
	acme := eu.organization(central, "acme").Organization
	as := func(kind string, home region.Name) error {
		_, err := eu.give(acme.ID, eu.person(acme.ID, home), registry.Carried{Kind: kind, Card: generator})
		return err
	}
	must(t, as(credential.KindCard, central))
	for _, kind := range []string{credential.KindCard, credential.KindMobile} {
		if err := as(kind, west); !errors.Is(err, registry.ErrCardTaken) {
			t.Errorf("the card's key again as a %s: %v", kind, err)
		}
	}
}

func TestDigitsCrossTheBorderAsDigests(t *testing.T) {
	t.Parallel()
	eu, us := newJurisdiction(t, "eu"), newJurisdiction(t, "us")
	acme := eu.organization(central, "acme").Organization
	person := eu.person(acme.ID, central)
	code, err := eu.give(acme.ID, person, entryCode("24681357"))
	must(t, err)
	must(t, eu.follow(acme.ID, person, central, 1, true))
	_, err = eu.give(acme.ID, person, pin("0427"))
	must(t, err)
	eu.revoke(acme.ID, code.ID)
	eu.wantSent("all of it", "active", "active", "revoked")
	_, messages := eu.sent()
	for i, want := range []identityv1.CredentialKind{
		identityv1.CredentialKind_CREDENTIAL_KIND_ENTRY_CODE, identityv1.CredentialKind_CREDENTIAL_KIND_PIN,
		identityv1.CredentialKind_CREDENTIAL_KIND_ENTRY_CODE,
	} {
		if _, err := us.receive(messages[i]); err != nil {
			t.Fatal(err)
		}
		f, _ := us.fact(useast, outbox.OrgKey(acme.ID, "credential", region.ID(messages[i].GetCredentialId())))
		var state identityv1.CredentialState
		unmarshal(t, f.Body, &state)
		if i < 2 && (state.GetKind() != want || f.Removed || len(state.GetDigests()) != 1) {
			t.Errorf("over there: %v, removed %v", &state, f.Removed)
		}
		if i == 2 && !f.Removed {
			t.Error("the revoked code still opens over there")
		}
	}
}

func TestWhatIsDrawnWouldBeTaken(t *testing.T) {
	t.Parallel()
	for kind, length := range map[string]int{credential.KindPIN: 6, credential.KindEntryCode: 8} {
		seen := map[registry.Digits]bool{}
		for range 200 {
			d := registrar.Draw(kind)
			if err := (registry.Carried{Kind: kind, Digits: d}).Check(); err != nil || len(d) != length {
				t.Fatalf("%s: %q: %v", kind, string(d), err)
			}
			seen[d] = true
		}
		if len(seen) < 190 {
			t.Errorf("%s: only %d different ones of 200", kind, len(seen))
		}
	}
}
