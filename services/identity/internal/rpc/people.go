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

// CreatePerson records a person in the region that the request names.
func (h *Handler) CreatePerson(ctx context.Context, req *identityv1.CreatePersonRequest) (*identityv1.CreatePersonResponse, error) {
	org, err := h.regions.Parse(req.GetOrgId(), region.Organization)
	if err != nil {
		return nil, err
	}
	home, err := h.regions.Lookup(region.Name(req.GetRegion()))
	if err != nil {
		return nil, err
	}
	fields := registry.Fields{Name: req.GetFields().GetName(), Email: req.GetFields().GetEmail()}
	answer := &identityv1.CreatePersonResponse{}
	key := idempotency.Key{Region: home.Name, Org: org, Method: "CreatePerson", Key: req.GetIdempotencyKey()}
	err = h.create(ctx, key, req, answer, func(ctx context.Context, tx pgx.Tx) (region.ID, error) {
		id, token, err := h.registrar.CreatePerson(ctx, tx, org, home, fields)
		answer.PersonId, answer.Token = string(id), token
		return id, err
	})
	return answer, err
}

// GetPerson reads a person, which is an event.
func (h *Handler) GetPerson(ctx context.Context, req *identityv1.GetPersonRequest) (*identityv1.Person, error) {
	org, id, err := h.parse(req.GetOrgId(), req.GetPersonId(), region.Person)
	if err != nil {
		return nil, err
	}
	var person registry.Person
	err = h.db.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		person, err = h.registrar.ReadPerson(ctx, tx, org, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return personToProto(person), nil
}

// ErasePerson destroys a person's key.
func (h *Handler) ErasePerson(ctx context.Context, req *identityv1.ErasePersonRequest) (*identityv1.ErasePersonResponse, error) {
	org, id, err := h.parse(req.GetOrgId(), req.GetPersonId(), region.Person)
	if err != nil {
		return nil, err
	}
	var token *registrar.Token
	err = h.db.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		token, err = h.registrar.ErasePerson(ctx, tx, org, id)
		return err
	})
	return &identityv1.ErasePersonResponse{Token: token}, err
}

// parse reads the organization's id and the id of something in it.
func (h *Handler) parse(org, id string, kind region.Kind) (region.ID, region.ID, error) {
	o, err := h.regions.Parse(org, region.Organization)
	if err != nil {
		return "", "", err
	}
	i, err := h.regions.Parse(id, kind)
	return o, i, err
}

func personToProto(p registry.Person) *identityv1.Person {
	out := &identityv1.Person{
		Id: string(p.ID), OrgId: string(p.Org), CreatedAt: timestamppb.New(p.CreatedAt),
		Status: identityv1.PersonStatus_PERSON_STATUS_ERASED,
	}
	if p.Status == registry.Active {
		out.Status = identityv1.PersonStatus_PERSON_STATUS_ACTIVE
		out.Fields = &identityv1.PersonalFields{Name: p.Fields.Name, Email: p.Fields.Email}
	}
	return out
}
