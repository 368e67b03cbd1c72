package rpc

import (
	"context"

	"github.com/cardea-mesh/cardea/services/identity/internal/registrar"
	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy/credential"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/timestamppb"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
)

// IssueCredential gives a person a card, a mobile key, a PIN or an entry code.
func (h *Handler) IssueCredential(ctx context.Context, req *identityv1.IssueCredentialRequest) (*identityv1.IssueCredentialResponse, error) {
	org, person, err := h.parse(req.GetOrgId(), req.GetPersonId(), region.Person)
	if err != nil {
		return nil, err
	}
	home, err := h.regions.Home(person)
	if err != nil {
		return nil, err
	}
	what := carriedOf(req)
	answer := &identityv1.IssueCredentialResponse{}
	key := idempotency.Key{Region: home.Name, Org: org, Method: "IssueCredential", Key: req.GetIdempotencyKey()}
	err = h.create(ctx, key, req, answer, func(ctx context.Context, tx pgx.Tx) (region.ID, error) {
		issued, err := h.registrar.IssueCredential(ctx, tx, org, person, what)
		answer.Credential, answer.Token, answer.Digits = credentialToProto(issued.Credential), issued.Token, string(issued.Drawn)
		return issued.ID, err
	})
	return answer, err
}

// carriedOf is what a request issues; without a kind it is a card, as it was before there were others.
func carriedOf(req *identityv1.IssueCredentialRequest) registry.Carried {
	what := registry.Carried{
		Kind: credential.KindCard, Digits: registry.Digits(req.GetDigits()),
		Card: registry.CardNumber{Format: req.GetCard().GetFormat(), BitLength: req.GetCard().GetBitLength(), Bits: req.GetCard().GetBits()},
	}
	if req.GetKind() != identityv1.CredentialKind_CREDENTIAL_KIND_UNSPECIFIED {
		what.Kind = registrar.KindFromProto(req.GetKind())
	}
	return what
}

// RevokeCredential ends a credential.
func (h *Handler) RevokeCredential(ctx context.Context, req *identityv1.RevokeCredentialRequest) (*identityv1.RevokeCredentialResponse, error) {
	org, id, err := h.parse(req.GetOrgId(), req.GetCredentialId(), region.Credential)
	if err != nil {
		return nil, err
	}
	var token *registrar.Token
	err = h.db.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		token, err = h.registrar.RevokeCredential(ctx, tx, org, id)
		return err
	})
	return &identityv1.RevokeCredentialResponse{Token: token}, err
}

// GetCredential reads one, without its number.
func (h *Handler) GetCredential(ctx context.Context, req *identityv1.GetCredentialRequest) (*identityv1.Credential, error) {
	org, id, err := h.parse(req.GetOrgId(), req.GetCredentialId(), region.Credential)
	if err != nil {
		return nil, err
	}
	var c registry.Credential
	err = h.db.Read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		c, err = h.registrar.Credential(ctx, tx, org, id)
		return err
	})
	return credentialToProto(c), err
}

func credentialToProto(c registry.Credential) *identityv1.Credential {
	out := &identityv1.Credential{
		Id: string(c.ID), OrgId: string(c.Org), PersonId: string(c.Person), Kind: registrar.KindToProto(c.Kind),
		Status: registrar.CredentialStatusToProto(c.Status), IssuedAt: timestamppb.New(c.IssuedAt),
	}
	if !c.RevokedAt.IsZero() {
		out.RevokedAt = timestamppb.New(c.RevokedAt)
	}
	return out
}
