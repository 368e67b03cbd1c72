package registrar_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	"github.com/cardea-mesh/cardea/services/identity/internal/postgres"
	"github.com/cardea-mesh/cardea/services/identity/internal/registrar"
	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
)

func (j *jurisdiction) follow(org, person region.ID, source region.Name, version int64, following bool) error {
	return j.try(func(ctx context.Context, tx pgx.Tx) error {
		return j.FollowPerson(ctx, tx, postgres.Follower{
			Org: org, Subject: person, Region: useast, Following: following, Source: registry.Source{Region: source, Version: version},
		})
	})
}

// sent are the credentials that the outbox holds for us-east, as `<status>` or `withdrawn`.
func (j *jurisdiction) sent() (what []string, messages []*identityv1.ReceiveCredentialRequest) {
	procedures, bodies := j.calls(useast)
	for i, body := range bodies {
		if procedures[i] != identityv1connect.IdentityServiceReceiveCredentialProcedure {
			continue
		}
		m := &identityv1.ReceiveCredentialRequest{}
		unmarshal(j.t, body, m)
		word := strings.ToLower(strings.TrimPrefix(m.GetStatus().String(), "CREDENTIAL_STATUS_"))
		if m.GetWithdrawn() {
			word = "withdrawn"
		}
		what, messages = append(what, word), append(messages, m)
	}
	return what, messages
}

func (j *jurisdiction) wantSent(when string, want ...string) {
	j.t.Helper()
	if got, _ := j.sent(); !slices.Equal(got, want) {
		j.t.Errorf("%s: sent %v, want %v", when, got, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAFollowerHearsOfEveryChangeUntilTheLastReasonEnds(t *testing.T) {
	t.Parallel()
	eu := newJurisdiction(t, "eu")
	acme := eu.organization(central, "acme").Organization
	person := eu.person(acme.ID, central)
	first := eu.mustIssue(acme.ID, person, card)
	eu.wantSent("before anybody follows")

	must(t, eu.follow(acme.ID, person, central, 1, true))
	eu.wantSent("the first reason sends what is carried", "active")
	must(t, eu.follow(acme.ID, person, west, 1, true))
	eu.wantSent("a second reason sends nothing again", "active")

	second := registry.CardNumber{Format: "wiegand26", BitLength: 26, Bits: []byte{0x9b, 0x3f, 0x2a, 0x40}}
	eu.mustIssue(acme.ID, person, second)
	eu.revoke(acme.ID, first.ID)
	eu.wantSent("changes are sent", "active", "active", "revoked")

	must(t, eu.follow(acme.ID, person, central, 2, false))
	eu.wantSent("the end of one of two reasons changes nothing", "active", "active", "revoked")
	must(t, eu.follow(acme.ID, person, central, 1, true)) // an old message that comes late
	must(t, eu.follow(acme.ID, person, west, 2, false))
	eu.wantSent("the end of the last withdraws what is still carried", "active", "active", "revoked", "withdrawn")
	if kinds := eu.kinds(person); !slices.Equal(kinds, []string{"person_created", "follower_added", "follower_removed"}) {
		t.Errorf("events of the person: %v", kinds)
	}

	must(t, eu.follow(acme.ID, person, central, 3, true))
	eu.erase(acme.ID, person)
	eu.wantSent("an erased person's cards end there too", "active", "active", "revoked", "withdrawn", "active", "revoked")

	_, messages := eu.sent()
	last := int64(0)
	for _, m := range messages {
		if m.GetSource().GetRegion() != string(central) || m.GetSource().GetVersion() < last {
			t.Errorf("sources must rise: %v after %d", m.GetSource(), last)
		}
		last = m.GetSource().GetVersion()
	}
}

func TestOnlyTheOwnOrganizationMakesARegionFollow(t *testing.T) {
	t.Parallel()
	eu := newJurisdiction(t, "eu")
	acme, umbrella := eu.organization(central, "acme").Organization, eu.organization(central, "umbrella").Organization
	person := eu.person(acme.ID, central)
	eu.mustIssue(acme.ID, person, card)
	if err := eu.follow(umbrella.ID, person, central, 1, true); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	eu.wantSent("nothing leaves")
}

// receive plays the messages that eu sent into us.
func (j *jurisdiction) receive(m *identityv1.ReceiveCredentialRequest) (token *registrar.Token, err error) {
	err = j.try(func(ctx context.Context, tx pgx.Tx) error {
		token, err = j.ReceiveCredential(ctx, tx, j.region(region.Name(m.GetRegion())), credentialOf(m), m.GetWithdrawn(), sourceOf(m.GetSource()))
		return err
	})
	return token, err
}

func (j *jurisdiction) receiveKeys(org region.ID, keys []registry.DigestKey, source registry.Source) (token *registrar.Token, err error) {
	err = j.try(func(ctx context.Context, tx pgx.Tx) error {
		token, err = j.ReceiveOrganization(ctx, tx, org, j.region(useast), keys, source)
		return err
	})
	return token, err
}

func TestAReceivedCredentialIsAsNewAsItsNewestMessage(t *testing.T) {
	t.Parallel()
	eu, us := newJurisdiction(t, "eu"), newJurisdiction(t, "us")
	acme := eu.organization(central, "acme").Organization
	person := eu.person(acme.ID, central)
	c := eu.mustIssue(acme.ID, person, card)
	must(t, eu.follow(acme.ID, person, central, 1, true))
	eu.revoke(acme.ID, c.ID)
	_, messages := eu.sent()
	active, revoked := messages[0], messages[1]
	key := outbox.OrgKey(acme.ID, "credential", c.ID)

	token, err := us.receive(active)
	if err != nil || token.GetRegion() != string(useast) {
		t.Fatalf("%v, %v", token, err)
	}
	if f, found := us.fact(useast, key); !found || f.Removed || f.Version != active.GetSource().GetVersion() {
		t.Errorf("after receiving: %+v", f)
	}
	if token, err := us.receive(active); err != nil || token != nil {
		t.Errorf("the same again: %v, %v", token, err)
	}
	if _, err = us.receive(revoked); err != nil {
		t.Fatal(err)
	}
	if token, err := us.receive(active); err != nil || token != nil {
		t.Errorf("an older one that comes late: %v, %v", token, err)
	}
	if f, _ := us.fact(useast, key); !f.Removed || f.Version != revoked.GetSource().GetVersion() {
		t.Errorf("after the revocation: %+v", f)
	}
	for name, change := range map[string]func(*identityv1.ReceiveCredentialRequest){
		"another home": func(m *identityv1.ReceiveCredentialRequest) { m.Source.Region = string(west) },
		"another organization": func(m *identityv1.ReceiveCredentialRequest) {
			m.OrgId = string(region.NewID(region.Organization, "euc"))
		},
		"a new card for a person who lives here": func(m *identityv1.ReceiveCredentialRequest) {
			m.CredentialId, m.PersonId = string(region.NewID(region.Credential, "euc")), string(region.NewID(region.Person, "use"))
		},
		"a new card for a person of a third region": func(m *identityv1.ReceiveCredentialRequest) {
			m.CredentialId, m.PersonId = string(region.NewID(region.Credential, "euc")), string(region.NewID(region.Person, "euw"))
		},
		"another person": func(m *identityv1.ReceiveCredentialRequest) { m.PersonId = string(region.NewID(region.Person, "euc")) },
	} {
		forged := &identityv1.ReceiveCredentialRequest{}
		b, _ := proto.Marshal(active)
		unmarshal(t, b, forged)
		forged.Source.Version = 1000
		change(forged)
		if _, err := us.receive(forged); !errors.Is(err, registry.ErrForeignSource) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeysOfAnOrganizationAcrossTheBorder(t *testing.T) {
	t.Parallel()
	eu, us := newJurisdiction(t, "eu"), newJurisdiction(t, "us")
	acme := eu.organization(central, "acme").Organization

	// The tenant has a person in the US. Making the person asks for the keys; a card has to wait for them.
	person := us.person(acme.ID, useast)
	if procedures, _ := us.calls(central); !slices.Equal(procedures, []string{identityv1connect.IdentityServiceFollowOrganizationProcedure}) {
		t.Fatalf("calls to the home: %v", procedures)
	}
	if _, err := us.issue(acme.ID, person, card); !errors.Is(err, registry.ErrNoDigestKeys) {
		t.Fatalf("a card without keys: %v", err)
	}

	var token *registrar.Token
	eu.must(func(ctx context.Context, tx pgx.Tx) (err error) {
		token, err = eu.FollowOrganization(ctx, tx, acme.ID, eu.region(useast))
		return err
	})
	procedures, bodies := eu.calls(useast)
	if !slices.Equal(procedures, []string{identityv1connect.IdentityServiceReceiveOrganizationProcedure}) {
		t.Fatalf("calls to the follower: %v", procedures)
	}
	message := &identityv1.ReceiveOrganizationRequest{}
	unmarshal(t, bodies[0], message)
	if len(message.GetKeys()) != 0 {
		t.Error("the outbox holds the keys in clear")
	}
	if message.GetSource().GetVersion() != token.GetVersion() {
		t.Errorf("source %v, token %v", message.GetSource(), token)
	}

	keys := eu.digestKeys(acme.ID, central)
	_, err := us.receiveKeys(acme.ID, keys, sourceOf(message.GetSource()))
	must(t, err)
	if got := us.digestKeyOfGateway(acme.ID, useast, keys[0].ID); got != keys[0].Key {
		t.Error("a gateway in the US opens another key")
	}
	if token, err := us.receiveKeys(acme.ID, keys, sourceOf(message.GetSource())); err != nil || token != nil {
		t.Errorf("the same again: %v, %v", token, err)
	}

	// Now the person gets a card, and it has the digest that it would have at home.
	there := us.mustIssue(acme.ID, person, card)
	here := eu.mustIssue(acme.ID, eu.person(acme.ID, central), card)
	if string(there.Digests[0].Sum) != string(here.Digests[0].Sum) {
		t.Error("one card of one organization has two digests")
	}

	// A site there does not ask again.
	us.must(func(ctx context.Context, tx pgx.Tx) error { return us.SiteCreated(ctx, tx, acme.ID, us.region(useast)) })
	if procedures, _ := us.calls(central); len(procedures) != 1 {
		t.Errorf("calls to the home: %v", procedures)
	}

	// Rotation: a new set replaces the old one, and what is not in it any more is withdrawn from gateways.
	fresh := registry.DigestKey{ID: region.NewID(region.DigestKey, "euc"), Key: [32]byte{7}}
	_, err = us.receiveKeys(acme.ID, []registry.DigestKey{fresh}, registry.Source{Region: central, Version: 100})
	must(t, err)
	if f, _ := us.fact(useast, outbox.OrgKey(acme.ID, "digest_key", keys[0].ID)); !f.Removed {
		t.Error("the old key is still there")
	}
	if got := us.digestKeyOfGateway(acme.ID, useast, fresh.ID); got != fresh.Key {
		t.Error("the new key is not there")
	}
	if _, err := us.receiveKeys(acme.ID, keys, registry.Source{Region: west, Version: 101}); !errors.Is(err, registry.ErrForeignSource) {
		t.Errorf("keys from elsewhere than the home: %v", err)
	}
}

func TestASiteAcrossTheBorderAsksForTheKeys(t *testing.T) {
	t.Parallel()
	us := newJurisdiction(t, "us")
	foreign, own := region.NewID(region.Organization, "euc"), us.organization(useast, "acme").Organization.ID
	for _, org := range []region.ID{foreign, own} {
		us.must(func(ctx context.Context, tx pgx.Tx) error { return us.SiteCreated(ctx, tx, org, us.region(useast)) })
	}
	procedures, bodies := us.calls(central)
	if !slices.Equal(procedures, []string{identityv1connect.IdentityServiceFollowOrganizationProcedure}) {
		t.Fatalf("calls: %v", procedures)
	}
	var m identityv1.FollowOrganizationRequest
	unmarshal(t, bodies[0], &m)
	if m.GetOrgId() != string(foreign) || m.GetFollowerRegion() != string(useast) {
		t.Errorf("asked for %v", &m)
	}
}

func TestFollowingWithinAJurisdictionIsRefused(t *testing.T) {
	t.Parallel()
	eu := newJurisdiction(t, "eu")
	acme := eu.organization(central, "acme").Organization
	err := eu.try(func(ctx context.Context, tx pgx.Tx) error {
		_, err := eu.FollowOrganization(ctx, tx, acme.ID, eu.region(west))
		return err
	})
	if !errors.Is(err, registry.ErrSameJurisdiction) {
		t.Errorf("got %v", err)
	}
}

func (j *jurisdiction) digestKeys(org region.ID, in region.Name) (keys []registry.DigestKey) {
	j.t.Helper()
	j.must(func(ctx context.Context, tx pgx.Tx) (err error) {
		keys, err = j.DigestKeys(ctx, tx, org, j.region(in))
		return err
	})
	return keys
}
