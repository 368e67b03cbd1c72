package registrar_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy/credential"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
)

func TestTheLifeOfAnOrganizationAPersonAndACard(t *testing.T) {
	t.Parallel()
	eu := newJurisdiction(t, "eu")
	acme := eu.organization(central, "acme").Organization
	// The person lives in another region of the jurisdiction than the organization.
	person := eu.person(acme.ID, west)
	if home, _ := eu.Home(person); home.Name != west {
		t.Fatalf("the person's home is %s", home.Name)
	}
	c := eu.mustIssue(acme.ID, person, card)
	if home, _ := eu.Home(c.ID); home.Name != west {
		t.Fatalf("the credential's home is %s", home.Name)
	}

	got, err := eu.read(acme.ID, person)
	if err != nil || got.Fields != ada || got.Status != registry.Active {
		t.Fatalf("read %v, %v", got.Status, err)
	}
	if kinds := eu.kinds(person); !slices.Equal(kinds, []string{"person_created", "person_read"}) {
		t.Errorf("events of the person: %v", kinds)
	}

	// Gateways of every region of the jurisdiction hear of the card, and can compute its digest from the wrapped key.
	for _, target := range []region.Name{central, west} {
		f, found := eu.fact(target, outbox.OrgKey(acme.ID, "credential", c.ID))
		var state identityv1.CredentialState
		unmarshal(t, f.Body, &state)
		if !found || f.Removed || state.GetPersonId() != string(person) || len(state.GetDigests()) != 1 {
			t.Fatalf("%s: fact %v %v", target, found, &state)
		}
		key := eu.digestKeyOfGateway(acme.ID, target, region.ID(state.GetDigests()[0].GetKeyId()))
		want := credential.Digest(key, credential.KindCard, card.Format, card.BitLength, card.Bits)
		if [32]byte(state.GetDigests()[0].GetDigest()) != want {
			t.Errorf("%s: a gateway computes another digest", target)
		}
	}

	first := eu.revoke(acme.ID, c.ID)
	second := eu.revoke(acme.ID, c.ID)
	if !proto.Equal(first, second) {
		t.Errorf("revoking twice is one commit: %v, %v", first, second)
	}
	if f, _ := eu.fact(central, outbox.OrgKey(acme.ID, "credential", c.ID)); !f.Removed || f.Version != first.GetVersion() {
		t.Errorf("after the revocation: %+v, want a tombstone of version %d", f, first.GetVersion())
	}
	if kinds := eu.kinds(c.ID); !slices.Equal(kinds, []string{"credential_issued", "credential_revoked"}) {
		t.Errorf("events of the credential: %v", kinds)
	}
	// The card is free again.
	if _, err := eu.issue(acme.ID, person, card); err != nil {
		t.Errorf("issue the revoked card again: %v", err)
	}
}

// digestKeyOfGateway opens the digest key as a gateway of the jurisdiction would, from what it sees.
func (j *jurisdiction) digestKeyOfGateway(org region.ID, at region.Name, id region.ID) [32]byte {
	j.t.Helper()
	f, found := j.fact(at, outbox.OrgKey(org, "digest_key", id))
	if !found || f.Removed {
		j.t.Fatalf("no digest key %s in %s", id, at)
	}
	var state identityv1.DigestKeyState
	unmarshal(j.t, f.Body, &state)
	in := j.region(at).Jurisdiction
	key, err := ring(j.t, "state-"+in).Open(state.GetWrappingKeyId(), state.GetWrapped(), credential.DigestKeyContext(string(org), string(id)))
	if err != nil {
		j.t.Fatal(err)
	}
	return [32]byte(key)
}

func TestASlugIsUniqueInTheJurisdictionOnly(t *testing.T) {
	t.Parallel()
	eu, us := newJurisdiction(t, "eu"), newJurisdiction(t, "us")
	eu.organization(central, "acme")
	err := eu.try(func(ctx context.Context, tx pgx.Tx) error {
		_, err := eu.CreateOrganization(ctx, tx, eu.region(west), "acme")
		return err
	})
	if !errors.Is(err, registry.ErrSlugTaken) {
		t.Errorf("the same slug in the neighbour region: %v", err)
	}
	eu.organization(west, "acme2")
	us.organization(useast, "acme")
}

func TestSlugsOfTwoConcurrentOrganizations(t *testing.T) {
	t.Parallel()
	eu := newJurisdiction(t, "eu")
	errs := make(chan error)
	for _, home := range []region.Name{central, west} {
		go func() {
			errs <- eu.try(func(ctx context.Context, tx pgx.Tx) error {
				_, err := eu.CreateOrganization(ctx, tx, eu.region(home), "acme")
				return err
			})
		}()
	}
	one, two := <-errs, <-errs
	if (one == nil) == (two == nil) || !errors.Is(errors.Join(one, two), registry.ErrSlugTaken) {
		t.Errorf("one of two must win: %v, %v", one, two)
	}
}

func TestACardIsUniqueInItsOrganization(t *testing.T) {
	t.Parallel()
	eu := newJurisdiction(t, "eu")
	acme, umbrella := eu.organization(central, "acme").Organization, eu.organization(central, "umbrella").Organization
	first := eu.mustIssue(acme.ID, eu.person(acme.ID, central), card)
	for _, home := range []region.Name{central, west} {
		if _, err := eu.issue(acme.ID, eu.person(acme.ID, home), card); !errors.Is(err, registry.ErrCardTaken) {
			t.Errorf("the same card for a person of %s: %v", home, err)
		}
	}
	// The same number in another format is another card.
	other := registry.CardNumber{Format: "uid", BitLength: 72, Bits: card.Bits[:9]}
	eu.mustIssue(acme.ID, eu.person(acme.ID, west), other)

	second := eu.mustIssue(umbrella.ID, eu.person(umbrella.ID, central), card)
	if string(first.Digests[0].Sum) == string(second.Digests[0].Sum) {
		t.Error("the card has one digest at two organizations")
	}
}

func TestTwoRegionsIssueOneCardAtTheSameTime(t *testing.T) {
	t.Parallel()
	eu := newJurisdiction(t, "eu")
	acme := eu.organization(central, "acme").Organization
	people := []region.ID{eu.person(acme.ID, central), eu.person(acme.ID, west)}
	errs := make(chan error)
	for _, person := range people {
		go func() {
			_, err := eu.issue(acme.ID, person, card)
			errs <- err
		}()
	}
	one, two := <-errs, <-errs
	if (one == nil) == (two == nil) || !errors.Is(errors.Join(one, two), registry.ErrCardTaken) {
		t.Errorf("one of two must win: %v, %v", one, two)
	}
}

func TestThingsOfAnotherOrganizationAreNotFound(t *testing.T) {
	t.Parallel()
	eu := newJurisdiction(t, "eu")
	acme, umbrella := eu.organization(central, "acme"), eu.organization(central, "umbrella").Organization
	person := eu.person(acme.Organization.ID, central)
	c := eu.mustIssue(acme.Organization.ID, person, card)
	keyID := region.ID(acme.AdminKey[len("cardea_"):][:len("key_euc_")+26])
	for name, do := range map[string]func(context.Context, pgx.Tx) error{
		"read person": func(ctx context.Context, tx pgx.Tx) error {
			_, err := eu.ReadPerson(ctx, tx, umbrella.ID, person)
			return err
		},
		"erase person": func(ctx context.Context, tx pgx.Tx) error {
			_, err := eu.ErasePerson(ctx, tx, umbrella.ID, person)
			return err
		},
		"issue": func(ctx context.Context, tx pgx.Tx) error {
			_, err := eu.IssueCredential(ctx, tx, umbrella.ID, person, registry.Carried{Kind: credential.KindCard, Card: card})
			return err
		},
		"revoke": func(ctx context.Context, tx pgx.Tx) error {
			_, err := eu.RevokeCredential(ctx, tx, umbrella.ID, c.ID)
			return err
		},
		"read card": func(ctx context.Context, tx pgx.Tx) error {
			_, err := eu.Credential(ctx, tx, umbrella.ID, c.ID)
			return err
		},
		"revoke key": func(ctx context.Context, tx pgx.Tx) error {
			_, err := eu.RevokeAPIKey(ctx, tx, umbrella.ID, keyID)
			return err
		},
		"person of no organization": func(ctx context.Context, tx pgx.Tx) error {
			_, _, err := eu.CreatePerson(ctx, tx, region.NewID(region.Organization, "euw"), eu.region(central), ada)
			return err
		},
	} {
		if err := eu.try(do); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := eu.read(acme.Organization.ID, person); err != nil {
		t.Errorf("the owner: %v", err)
	}
}

func TestAMalformedCardIsRefused(t *testing.T) {
	t.Parallel()
	eu := newJurisdiction(t, "eu")
	acme := eu.organization(central, "acme").Organization
	person := eu.person(acme.ID, central)
	_, err := eu.issue(acme.ID, person, registry.CardNumber{Format: "wiegand26", BitLength: 26, Bits: []byte{1, 2, 3, 0xff}})
	if !errors.Is(err, credential.ErrMalformed) {
		t.Errorf("got %v", err)
	}
}
