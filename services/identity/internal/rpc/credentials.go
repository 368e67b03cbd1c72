package rpc

import (
	"context"

	"github.com/cardea-mesh/cardea/services/identity/internal/registrar"
	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/timestamppb"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
)

// IssueCredential gives a person a card.
func (h *Handler) IssueCredential(ctx context.Context, req *identityv1.IssueCredentialRequest) (*identityv1.IssueCredentialResponse, error) {
	org, person, err := h.parse(req.GetOrgId(), req.GetPersonId(), region.Person)
	if err != nil {
		return nil, err
	}
	home, err := h.regions.Home(person)
	if err != nil {
		return nil, err
	}
	card := registry.CardNumber{Format: req.GetCard().GetFormat(), BitLength: req.GetCard().GetBitLength(), Bits: req.GetCard().GetBits()}
	answer := &identityv1.IssueCredentialResponse{}
	key := idempotency.Key{Region: home.Name, Org: org, Method: "IssueCredential", Key: req.GetIdempotencyKey()}
	err = h.create(ctx, key, req, answer, func(ctx context.Context, tx pgx.Tx) (region.ID, error) {
		c, token, err := h.registrar.IssueCredential(ctx, tx, org, person, card)
		answer.Credential, answer.Token = credentialToProto(c), token
		return c.ID, err
	})
	return answer, err
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
