package identity_test

import (
	"errors"
	"testing"

	"github.com/cardea-mesh/cardea/services/identity/identitytest"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
)

func TestTheLifeOfATenantOverTheWire(t *testing.T) {
	t.Parallel()
	eu := identitytest.Start(t, rpctest.New(t), "eu-central")
	gateway := watch(t, eu)
	acme := eu.Organization(t, "acme")
	admin := eu.Client(t, acme.Admin)

	org, err := admin.GetOrganization(t.Context(), &identityv1.GetOrganizationRequest{OrgId: string(acme.ID)})
	if err != nil || org.GetSlug() != "acme" || org.GetCreatedAt() == nil {
		t.Fatalf("organization: %v, %v", org, err)
	}
	ada := eu.Person(t, acme, identitytest.Ada)
	person, err := admin.GetPerson(t.Context(), &identityv1.GetPersonRequest{OrgId: string(acme.ID), PersonId: string(ada)})
	if err != nil || !proto.Equal(person.GetFields(), identitytest.Ada) || person.GetStatus() != identityv1.PersonStatus_PERSON_STATUS_ACTIVE {
		t.Fatalf("person: %v, %v", person.GetStatus(), err)
	}
	card := eu.Card(t, acme, ada, identitytest.Card(1))
	key := outbox.OrgKey(acme.ID, "credential", card.ID)
	if r := gateway.record(t, key, present); r.GetVersion() != card.Token.GetVersion() {
		t.Errorf("the gateway sees version %d, the token says %d", r.GetVersion(), card.Token.GetVersion())
	}

	_, err = admin.IssueCredential(t.Context(), &identityv1.IssueCredentialRequest{
		OrgId: string(acme.ID), PersonId: string(ada), Card: identitytest.Card(1), IdempotencyKey: "another",
	})
	wantReason(t, "the same card again", err, faultv1.Reason_REASON_ALREADY_EXISTS)

	token := eu.Revoke(t, acme, card.ID)
	if again := eu.Revoke(t, acme, card.ID); !proto.Equal(token, again) {
		t.Errorf("revoking twice is one commit: %v, %v", token, again)
	}
	gateway.record(t, key, removed)
	gateway.record(t, outbox.HeadKey(acme.ID, "identity", "eu-central"), func(r *recordOf) bool { return r.GetVersion() >= token.GetVersion() })
	got, err := admin.GetCredential(t.Context(), &identityv1.GetCredentialRequest{OrgId: string(acme.ID), CredentialId: string(card.ID)})
	if err != nil || got.GetStatus() != identityv1.CredentialStatus_CREDENTIAL_STATUS_REVOKED || got.GetRevokedAt() == nil || got.GetPersonId() != string(ada) {
		t.Errorf("credential: %v, %v", got, err)
	}

	if _, err := admin.ErasePerson(t.Context(), &identityv1.ErasePersonRequest{OrgId: string(acme.ID), PersonId: string(ada)}); err != nil {
		t.Fatal(err)
	}
	person, err = admin.GetPerson(t.Context(), &identityv1.GetPersonRequest{OrgId: string(acme.ID), PersonId: string(ada)})
	if err != nil || person.GetFields() != nil || person.GetStatus() != identityv1.PersonStatus_PERSON_STATUS_ERASED {
		t.Errorf("an erased person: %v, %v", person, err)
	}
	_, err = admin.IssueCredential(t.Context(), &identityv1.IssueCredentialRequest{
		OrgId: string(acme.ID), PersonId: string(ada), Card: identitytest.Card(2), IdempotencyKey: "too late",
	})
	wantReason(t, "a card for an erased person", err, faultv1.Reason_REASON_STATE_FORBIDS)
}

func TestRepeatedCreatesGiveTheSameAnswer(t *testing.T) {
	t.Parallel()
	eu := identitytest.Start(t, rpctest.New(t), "eu-central")
	operator := eu.Client(t, eu.Operator)
	create := &identityv1.CreateOrganizationRequest{Region: "eu-central", Slug: "acme", IdempotencyKey: "one"}
	first, err := operator.CreateOrganization(t.Context(), create)
	if err != nil {
		t.Fatal(err)
	}
	second, err := operator.CreateOrganization(t.Context(), create)
	if err != nil || !proto.Equal(first, second) {
		t.Errorf("the repetition has another answer: %v", err)
	}
	if _, err := eu.Database.DB.Pool().Exec(t.Context(), `UPDATE idempotency SET created_at = created_at - INTERVAL '25 hours'`); err != nil {
		t.Fatal(err)
	}
	_, err = operator.CreateOrganization(t.Context(), create)
	wantReason(t, "a day later", err, faultv1.Reason_REASON_IDEMPOTENCY_REPLAYED)
	var f *fault.Error
	if !errors.As(err, &f) || f.Detail != first.GetOrganization().GetId() {
		t.Errorf("the refusal names %v", f)
	}
	create.Slug = "umbrella"
	_, err = operator.CreateOrganization(t.Context(), create)
	wantReason(t, "another body", err, faultv1.Reason_REASON_IDEMPOTENCY_MISMATCH)
	create.IdempotencyKey, create.Slug = "two", "acme"
	_, err = operator.CreateOrganization(t.Context(), create)
	wantReason(t, "the same slug", err, faultv1.Reason_REASON_ALREADY_EXISTS)

	org := first.GetOrganization().GetId()
	admin := eu.Client(t, config.Secret(first.GetApiKey()))
	key := &identityv1.CreateAPIKeyRequest{OrgId: org, Role: identityv1.Role_ROLE_AUDITOR, IdempotencyKey: "key"}
	one, err := admin.CreateAPIKey(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if two, err := admin.CreateAPIKey(t.Context(), key); err != nil || two.GetApiKey() != one.GetApiKey() {
		t.Errorf("the repetition has another secret: %v", err)
	}
	key.Role = identityv1.Role_ROLE_ORG_ADMIN
	_, err = admin.CreateAPIKey(t.Context(), key)
	wantReason(t, "another role under the same key", err, faultv1.Reason_REASON_IDEMPOTENCY_MISMATCH)

	person := &identityv1.CreatePersonRequest{OrgId: org, Region: "eu-west", Fields: identitytest.Ada, IdempotencyKey: "ada"}
	ada, err := admin.CreatePerson(t.Context(), person)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := admin.CreatePerson(t.Context(), person); err != nil || !proto.Equal(ada, again) {
		t.Errorf("the repetition has another answer: %v, %v", again, err)
	}
	// Another caller's key of the same name is another key.
	manager := eu.Client(t, eu.Key(t, identitytest.Organization{ID: region.ID(org), Admin: config.Secret(first.GetApiKey())}, identityv1.Role_ROLE_SITE_MANAGER))
	if other, err := manager.CreatePerson(t.Context(), person); err != nil || other.GetPersonId() == ada.GetPersonId() {
		t.Errorf("another caller: %v, %v", other, err)
	}
}

func TestDrawnDigitsAreShownOnceAndAgainUnderTheSameKey(t *testing.T) {
	t.Parallel()
	eu := identitytest.Start(t, rpctest.New(t), "eu-central")
	gateway := watch(t, eu)
	acme := eu.Organization(t, "acme")
	admin := eu.Client(t, acme.Admin)
	ada := eu.Person(t, acme, identitytest.Ada)
	for kind, length := range map[identityv1.CredentialKind]int{
		identityv1.CredentialKind_CREDENTIAL_KIND_PIN: 6, identityv1.CredentialKind_CREDENTIAL_KIND_ENTRY_CODE: 8,
	} {
		issue := &identityv1.IssueCredentialRequest{OrgId: string(acme.ID), PersonId: string(ada), Kind: kind, IdempotencyKey: kind.String()}
		first, err := admin.IssueCredential(t.Context(), issue)
		if err != nil || len(first.GetDigits()) != length || first.GetCredential().GetKind() != kind {
			t.Fatalf("%s: %v", kind, err)
		}
		if again, err := admin.IssueCredential(t.Context(), issue); err != nil || !proto.Equal(first, again) {
			t.Errorf("%s: the repetition has another answer: %v", kind, err)
		}
		id := region.ID(first.GetCredential().GetId())
		gateway.record(t, outbox.OrgKey(acme.ID, "credential", id), present)
		got, err := admin.GetCredential(t.Context(), &identityv1.GetCredentialRequest{OrgId: string(acme.ID), CredentialId: string(id)})
		if err != nil || !proto.Equal(got, first.GetCredential()) {
			t.Errorf("%s: read as %v, %v", kind, got, err)
		}
		issue.Digits = first.GetDigits()
		_, err = admin.IssueCredential(t.Context(), issue)
		wantReason(t, "digits under the key that had none", err, faultv1.Reason_REASON_IDEMPOTENCY_MISMATCH)
		issue.IdempotencyKey = "another " + kind.String()
		_, err = admin.IssueCredential(t.Context(), issue)
		wantReason(t, "the same digits again", err, faultv1.Reason_REASON_ALREADY_EXISTS)
		eu.Revoke(t, acme, id)
		gateway.record(t, outbox.OrgKey(acme.ID, "credential", id), removed)
		given, err := admin.IssueCredential(t.Context(), issue)
		if err != nil || given.GetDigits() != "" {
			t.Errorf("given digits are not shown again: %v", err)
		}
	}
}

func TestBadInputHasItsOwnReason(t *testing.T) {
	t.Parallel()
	eu := identitytest.Start(t, rpctest.New(t), "eu-central")
	acme := eu.Organization(t, "acme")
	admin, operator := eu.Client(t, acme.Admin), eu.Client(t, eu.Operator)
	ada := eu.Person(t, acme, identitytest.Ada)
	for name, c := range map[string]struct {
		err  func() error
		want faultv1.Reason
	}{
		"a region that is not there": {func() error {
			_, err := operator.CreateOrganization(t.Context(), &identityv1.CreateOrganizationRequest{Region: "ap-south", Slug: "acme2", IdempotencyKey: "k"})
			return err
		}, faultv1.Reason_REASON_UNKNOWN_REGION},
		"a slug of capitals": {func() error {
			_, err := operator.CreateOrganization(t.Context(), &identityv1.CreateOrganizationRequest{Region: "eu-central", Slug: "ACME", IdempotencyKey: "k"})
			return err
		}, faultv1.Reason_REASON_INVALID_FIELD},
		"no idempotency key": {func() error {
			_, err := operator.CreateOrganization(t.Context(), &identityv1.CreateOrganizationRequest{Region: "eu-central", Slug: "acme2"})
			return err
		}, faultv1.Reason_REASON_INVALID_FIELD},
		"a door for a person": {func() error {
			_, err := admin.GetPerson(t.Context(), &identityv1.GetPersonRequest{OrgId: string(acme.ID), PersonId: string(region.NewID(region.Door, "euc"))})
			return err
		}, faultv1.Reason_REASON_WRONG_ID_KIND},
		"not an id": {func() error {
			_, err := admin.GetPerson(t.Context(), &identityv1.GetPersonRequest{OrgId: string(acme.ID), PersonId: "person_euc_*"})
			return err
		}, faultv1.Reason_REASON_INVALID_ID},
		"an unknown person": {func() error {
			_, err := admin.GetPerson(t.Context(), &identityv1.GetPersonRequest{OrgId: string(acme.ID), PersonId: string(region.NewID(region.Person, "euc"))})
			return err
		}, faultv1.Reason_REASON_NOT_FOUND},
		"a card with unused bits set": {func() error {
			_, err := admin.IssueCredential(t.Context(), &identityv1.IssueCredentialRequest{
				OrgId: string(acme.ID), PersonId: string(ada), IdempotencyKey: "k",
				Card: &identityv1.CardNumber{Format: "wiegand26", BitLength: 26, Bits: []byte{1, 2, 3, 0xff}},
			})
			return err
		}, faultv1.Reason_REASON_INVALID_FIELD},
		"a PIN that counts": {func() error {
			_, err := admin.IssueCredential(t.Context(), &identityv1.IssueCredentialRequest{
				OrgId: string(acme.ID), PersonId: string(ada), IdempotencyKey: "k", Digits: "4321",
				Kind: identityv1.CredentialKind_CREDENTIAL_KIND_PIN,
			})
			return err
		}, faultv1.Reason_REASON_INVALID_FIELD},
		"a PIN of letters": {func() error {
			_, err := admin.IssueCredential(t.Context(), &identityv1.IssueCredentialRequest{
				OrgId: string(acme.ID), PersonId: string(ada), IdempotencyKey: "k", Digits: "abcd",
				Kind: identityv1.CredentialKind_CREDENTIAL_KIND_PIN,
			})
			return err
		}, faultv1.Reason_REASON_INVALID_FIELD},
		"neither a card nor digits": {func() error {
			_, err := admin.IssueCredential(t.Context(), &identityv1.IssueCredentialRequest{
				OrgId: string(acme.ID), PersonId: string(ada), IdempotencyKey: "k",
			})
			return err
		}, faultv1.Reason_REASON_INVALID_FIELD},
		"a phone that is a uid": {func() error {
			_, err := admin.IssueCredential(t.Context(), &identityv1.IssueCredentialRequest{
				OrgId: string(acme.ID), PersonId: string(ada), IdempotencyKey: "k", Card: identitytest.Card(1),
				Kind: identityv1.CredentialKind_CREDENTIAL_KIND_MOBILE,
			})
			return err
		}, faultv1.Reason_REASON_INVALID_FIELD},
		"a kind that is not there": {func() error {
			_, err := admin.IssueCredential(t.Context(), &identityv1.IssueCredentialRequest{
				OrgId: string(acme.ID), PersonId: string(ada), IdempotencyKey: "k", Kind: 99,
			})
			return err
		}, faultv1.Reason_REASON_INVALID_FIELD},
		"a key that ends after the end of time": {func() error {
			_, err := admin.CreateAPIKey(t.Context(), &identityv1.CreateAPIKeyRequest{
				OrgId: string(acme.ID), Role: identityv1.Role_ROLE_VIEWER, ExpiresAt: &timestamppb.Timestamp{Seconds: 1 << 50}, IdempotencyKey: "k",
			})
			return err
		}, faultv1.Reason_REASON_CLOCK_NONSENSE},
		"a key that is born dead": {func() error {
			_, err := admin.CreateAPIKey(t.Context(), &identityv1.CreateAPIKeyRequest{
				OrgId: string(acme.ID), Role: identityv1.Role_ROLE_VIEWER, ExpiresAt: timestamppb.New(acmeBorn), IdempotencyKey: "k",
			})
			return err
		}, faultv1.Reason_REASON_CLOCK_NONSENSE},
	} {
		wantReason(t, name, c.err(), c.want)
	}
}
