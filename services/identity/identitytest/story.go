package identitytest

import (
	"crypto/rand"
	"encoding/binary"
	"testing"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Ada is somebody.
var Ada = &identityv1.PersonalFields{Name: "Ada Lovelace", Email: "ada@example.com"}

// Organization is a tenant with its administrator's key.
type Organization struct {
	ID    region.ID
	Admin config.Secret
	Token *typev1.ConsistencyToken
}

// Credential is an issued card.
type Credential struct {
	ID    region.ID
	Token *typev1.ConsistencyToken
}

// Card is the n-th card: a uid of 7 bytes that nothing else in a test contains by chance.
func Card(n uint32) *identityv1.CardNumber {
	bits := binary.BigEndian.AppendUint32([]byte{0x04, 0xca, 0x4d}, n)
	return &identityv1.CardNumber{Format: "uid", BitLength: 56, Bits: bits}
}

// Organization makes a tenant in the service's region.
func (s *Service) Organization(t testing.TB, slug string) Organization {
	t.Helper()
	made, err := s.Client(t, s.Operator).CreateOrganization(t.Context(), &identityv1.CreateOrganizationRequest{
		Region: string(s.Region.Name), Slug: slug, IdempotencyKey: rand.Text(),
	})
	if err != nil {
		t.Fatalf("create organization %s: %v", slug, err)
	}
	return Organization{ID: region.ID(made.GetOrganization().GetId()), Admin: config.Secret(made.GetApiKey()), Token: made.GetToken()}
}

// Person records a person in the service's region.
func (s *Service) Person(t testing.TB, org Organization, fields *identityv1.PersonalFields) region.ID {
	t.Helper()
	made, err := s.Client(t, org.Admin).CreatePerson(t.Context(), &identityv1.CreatePersonRequest{
		OrgId: string(org.ID), Region: string(s.Region.Name), Fields: fields, IdempotencyKey: rand.Text(),
	})
	if err != nil {
		t.Fatalf("create person: %v", err)
	}
	return region.ID(made.GetPersonId())
}

// Card gives a person a card.
func (s *Service) Card(t testing.TB, org Organization, person region.ID, card *identityv1.CardNumber) Credential {
	t.Helper()
	made, err := s.Client(t, org.Admin).IssueCredential(t.Context(), &identityv1.IssueCredentialRequest{
		OrgId: string(org.ID), PersonId: string(person), Card: card, IdempotencyKey: rand.Text(),
	})
	if err != nil {
		t.Fatalf("issue credential: %v", err)
	}
	return Credential{ID: region.ID(made.GetCredential().GetId()), Token: made.GetToken()}
}

// Revoke ends a credential.
func (s *Service) Revoke(t testing.TB, org Organization, credential region.ID) *typev1.ConsistencyToken {
	t.Helper()
	done, err := s.Client(t, org.Admin).RevokeCredential(t.Context(), &identityv1.RevokeCredentialRequest{
		OrgId: string(org.ID), CredentialId: string(credential),
	})
	if err != nil {
		t.Fatalf("revoke credential: %v", err)
	}
	return done.GetToken()
}

// Key makes an API key of a role.
func (s *Service) Key(t testing.TB, org Organization, role identityv1.Role) config.Secret {
	t.Helper()
	made, err := s.Client(t, org.Admin).CreateAPIKey(t.Context(), &identityv1.CreateAPIKeyRequest{
		OrgId: string(org.ID), Role: role, IdempotencyKey: rand.Text(),
	})
	if err != nil {
		t.Fatalf("create API key: %v", err)
	}
	return config.Secret(made.GetApiKey())
}
