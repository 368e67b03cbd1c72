package identity_test

import (
	"context"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/identity/identitytest"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/reflect/protoreflect"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
)

type recordOf = typev1.StateRecord

var acmeBorn = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestEveryRPCDeclaresWhatItNeeds(t *testing.T) {
	t.Parallel()
	err := rpc.Walk([]protoreflect.FileDescriptor{identityv1.File_cardea_identity_v1_identity_proto},
		"cardea.identity.v1.IdentityService.CreateOrganization", "cardea.identity.v1.IdentityService.AuthenticateKey")
	if err != nil {
		t.Error(err)
	}
}

// call is an RPC about an organization and something in it.
type call struct {
	// about makes the call for an organization, with the ids of things.
	about func(ctx context.Context, c identityv1connect.IdentityServiceClient, org region.ID, of things) error
	// alone: the call names nothing but the organization, so a foreign thing cannot be named.
	alone bool
}

type things struct{ person, credential, key string }

func calls() map[string]call {
	type client = identityv1connect.IdentityServiceClient
	return map[string]call{
		"GetOrganization": {alone: true, about: func(ctx context.Context, c client, org region.ID, _ things) error {
			_, err := c.GetOrganization(ctx, &identityv1.GetOrganizationRequest{OrgId: string(org)})
			return err
		}},
		"CreatePerson": {alone: true, about: func(ctx context.Context, c client, org region.ID, _ things) error {
			_, err := c.CreatePerson(ctx, &identityv1.CreatePersonRequest{OrgId: string(org), Region: "eu-central", Fields: identitytest.Ada, IdempotencyKey: "k"})
			return err
		}},
		"GetPerson": {about: func(ctx context.Context, c client, org region.ID, of things) error {
			_, err := c.GetPerson(ctx, &identityv1.GetPersonRequest{OrgId: string(org), PersonId: of.person})
			return err
		}},
		"ErasePerson": {about: func(ctx context.Context, c client, org region.ID, of things) error {
			_, err := c.ErasePerson(ctx, &identityv1.ErasePersonRequest{OrgId: string(org), PersonId: of.person})
			return err
		}},
		"IssueCredential": {about: func(ctx context.Context, c client, org region.ID, of things) error {
			_, err := c.IssueCredential(ctx, &identityv1.IssueCredentialRequest{OrgId: string(org), PersonId: of.person, Card: identitytest.Card(9), IdempotencyKey: "k"})
			return err
		}},
		"RevokeCredential": {about: func(ctx context.Context, c client, org region.ID, of things) error {
			_, err := c.RevokeCredential(ctx, &identityv1.RevokeCredentialRequest{OrgId: string(org), CredentialId: of.credential})
			return err
		}},
		"GetCredential": {about: func(ctx context.Context, c client, org region.ID, of things) error {
			_, err := c.GetCredential(ctx, &identityv1.GetCredentialRequest{OrgId: string(org), CredentialId: of.credential})
			return err
		}},
		"CreateAPIKey": {alone: true, about: func(ctx context.Context, c client, org region.ID, _ things) error {
			_, err := c.CreateAPIKey(ctx, &identityv1.CreateAPIKeyRequest{OrgId: string(org), Role: identityv1.Role_ROLE_VIEWER, IdempotencyKey: "k"})
			return err
		}},
		"RevokeAPIKey": {about: func(ctx context.Context, c client, org region.ID, of things) error {
			_, err := c.RevokeAPIKey(ctx, &identityv1.RevokeAPIKeyRequest{OrgId: string(org), KeyId: of.key})
			return err
		}},
	}
}

// forServices are the RPCs that no tenant may call at all.
func forServices() map[string]func(context.Context, identityv1connect.IdentityServiceClient, region.ID) error {
	source := func(org region.ID) *typev1.ConsistencyToken {
		return &typev1.ConsistencyToken{Service: "identity", Region: "us-east", OrgId: string(org), Version: 1}
	}
	type client = identityv1connect.IdentityServiceClient
	return map[string]func(context.Context, client, region.ID) error{
		"AuthenticateKey": func(ctx context.Context, c client, _ region.ID) error {
			_, err := c.AuthenticateKey(ctx, &identityv1.AuthenticateKeyRequest{KeyId: string(region.NewID(region.APIKey, "euc")), SecretSha256: make([]byte, 32)})
			return err
		},
		"FollowOrganization": func(ctx context.Context, c client, org region.ID) error {
			_, err := c.FollowOrganization(ctx, &identityv1.FollowOrganizationRequest{OrgId: string(org), FollowerRegion: "us-east"})
			return err
		},
		"ReceiveOrganization": func(ctx context.Context, c client, org region.ID) error {
			_, err := c.ReceiveOrganization(ctx, &identityv1.ReceiveOrganizationRequest{
				OrgId: string(org), Region: "eu-central", Source: source(org),
				Keys: []*identityv1.DigestKey{{Id: string(region.NewID(region.DigestKey, "use")), Key: make([]byte, 32)}},
			})
			return err
		},
		"GetStanding": func(ctx context.Context, c client, org region.ID) error {
			_, err := c.GetStanding(ctx, &identityv1.GetStandingRequest{OrgId: string(org), Region: "eu-central"})
			return err
		},
		"ConfirmCrossing": func(ctx context.Context, c client, org region.ID) error {
			_, err := c.ConfirmCrossing(ctx, &identityv1.ConfirmCrossingRequest{OrgId: string(org), Region: "eu-central", FollowerRegion: "us-east", Version: 1})
			return err
		},
		"ReceiveCredential": func(ctx context.Context, c client, org region.ID) error {
			_, err := c.ReceiveCredential(ctx, &identityv1.ReceiveCredentialRequest{
				OrgId: string(org), Region: "eu-central", Source: source(org),
				CredentialId: string(region.NewID(region.Credential, "use")), PersonId: string(region.NewID(region.Person, "use")),
			})
			return err
		},
	}
}

func TestACallerOfAnotherOrganizationIsRefusedOnEveryRPC(t *testing.T) {
	t.Parallel()
	eu := identitytest.Start(t, rpctest.New(t), "eu-central")
	acme, umbrella := eu.Organization(t, "acme"), eu.Organization(t, "umbrella")
	person := eu.Person(t, acme, identitytest.Ada)
	card := eu.Card(t, acme, person, identitytest.Card(1))
	id, _, err := rpc.ParseAPIKey(acme.Admin.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	acmes := things{person: string(person), credential: string(card.ID), key: id}
	stranger, nobody := eu.Client(t, umbrella.Admin), eu.Client(t, "")
	viewer := eu.Client(t, eu.Key(t, acme, identityv1.Role_ROLE_VIEWER))
	operator := eu.Client(t, eu.Operator)

	for name, c := range calls() {
		wantReason(t, name+" about another organization", c.about(t.Context(), stranger, acme.ID, acmes), faultv1.Reason_REASON_OTHER_ORGANIZATION)
		if !c.alone {
			wantReason(t, name+" with another organization's ids", c.about(t.Context(), stranger, umbrella.ID, acmes), faultv1.Reason_REASON_NOT_FOUND)
		}
		wantReason(t, name+" by nobody", c.about(t.Context(), nobody, acme.ID, acmes), faultv1.Reason_REASON_NO_CALLER)
		if name != "GetOrganization" {
			wantReason(t, name+" by a viewer", c.about(t.Context(), viewer, acme.ID, acmes), faultv1.Reason_REASON_MISSING_PERMISSION)
			wantReason(t, name+" by an operator", c.about(t.Context(), operator, acme.ID, acmes), faultv1.Reason_REASON_MISSING_PERMISSION)
		}
	}
	for name, c := range forServices() {
		for who, by := range map[string]identityv1connect.IdentityServiceClient{
			"its administrator": eu.Client(t, acme.Admin), "a stranger": stranger, "an operator": operator,
		} {
			wantReason(t, name+" by "+who, c(t.Context(), by, acme.ID), faultv1.Reason_REASON_MISSING_PERMISSION)
		}
		wantReason(t, name+" by nobody", c(t.Context(), nobody, acme.ID), faultv1.Reason_REASON_NO_CALLER)
	}
	_, err = eu.Client(t, acme.Admin).CreateOrganization(t.Context(), &identityv1.CreateOrganizationRequest{Region: "eu-central", Slug: "other", IdempotencyKey: "k"})
	wantReason(t, "CreateOrganization by a tenant", err, faultv1.Reason_REASON_MISSING_PERMISSION)

	// All of them are there, and nothing changed: the owner still finds everything as it was.
	methods := identityv1.File_cardea_identity_v1_identity_proto.Services().Get(0).Methods()
	if tried := len(calls()) + len(forServices()) + 1; tried != methods.Len() {
		t.Errorf("%d of %d RPCs were tried", tried, methods.Len())
	}
	c, err := eu.Client(t, acme.Admin).GetCredential(t.Context(), &identityv1.GetCredentialRequest{OrgId: string(acme.ID), CredentialId: string(card.ID)})
	if err != nil || c.GetStatus() != identityv1.CredentialStatus_CREDENTIAL_STATUS_ACTIVE {
		t.Errorf("the owner's card: %v, %v", c.GetStatus(), err)
	}
}

func TestServicesMayOnlyWhatTheyAreListedFor(t *testing.T) {
	t.Parallel()
	mesh := rpctest.New(t)
	eu := identitytest.Start(t, mesh, "eu-central")
	acme := eu.Organization(t, "acme")
	for name, c := range forServices() {
		for _, service := range []string{"permissions", "device-gateway", "audit", "somebody"} {
			err := c(t.Context(), meshClient(t, mesh, service, "us-east"), acme.ID)
			want := faultv1.Reason_REASON_MISSING_PERMISSION
			if name == "AuthenticateKey" && service != "somebody" {
				want = faultv1.Reason_REASON_BAD_CALLER // it may ask; the key is made up
			}
			if name == "GetStanding" && service == "permissions" {
				if err != nil {
					t.Errorf("%s by %s: %v", name, service, describe(err))
				}
				continue
			}
			wantReason(t, name+" by "+service, err, want)
		}
	}
	// A service may not do what a tenant's permission is needed for.
	for name, c := range calls() {
		err := c.about(t.Context(), meshClient(t, mesh, "identity", "eu-central"), acme.ID, things{
			person: string(region.NewID(region.Person, "euc")), credential: string(region.NewID(region.Credential, "euc")), key: string(region.NewID(region.APIKey, "euc")),
		})
		wantReason(t, name+" by a service", err, faultv1.Reason_REASON_MISSING_PERMISSION)
	}
}

// meshClient calls the eu-central service as a service of the mesh.
func meshClient(t *testing.T, mesh *rpctest.Mesh, service string, at region.Name) identityv1connect.IdentityServiceClient {
	t.Helper()
	d := mesh.Dialer(t, service, at)
	return identityv1connect.NewIdentityServiceClient(d.HTTPClient("identity"), d.URL("identity", "eu-central"), d.Options()...)
}

func TestEveryBadKeyHasTheSameAnswer(t *testing.T) {
	t.Parallel()
	eu := identitytest.Start(t, rpctest.New(t), "eu-central")
	acme := eu.Organization(t, "acme")
	revoked := eu.Key(t, acme, identityv1.Role_ROLE_ORG_ADMIN)
	id, _, _ := rpc.ParseAPIKey(revoked.Reveal())
	get := func(key config.Secret) error {
		_, err := eu.Client(t, key).GetOrganization(t.Context(), &identityv1.GetOrganizationRequest{OrgId: string(acme.ID)})
		return err
	}
	if err := get(revoked); err != nil {
		t.Fatal(err)
	}
	if _, err := eu.Client(t, acme.Admin).RevokeAPIKey(t.Context(), &identityv1.RevokeAPIKeyRequest{OrgId: string(acme.ID), KeyId: id}); err != nil {
		t.Fatal(err)
	}
	secret := acme.Admin.Reveal()[len("cardea_key_euc_")+27:]
	texts := map[string]bool{}
	for name, key := range map[string]config.Secret{
		"revoked":      revoked,
		"unknown":      config.Secret(rpc.FormatAPIKey(region.NewID(region.APIKey, "euc"), secret)),
		"wrong secret": config.Secret(rpc.FormatAPIKey(region.ID(id), secret)),
		"no region":    config.Secret("cardea_key_xyz_01jd3q8v5dfw0b9m3cz1n2k4xw_" + secret),
	} {
		err := get(key)
		wantReason(t, name, err, faultv1.Reason_REASON_BAD_CALLER)
		texts[describe(err)] = true
	}
	if len(texts) != 1 {
		t.Errorf("the answers differ: %v", texts)
	}
}
