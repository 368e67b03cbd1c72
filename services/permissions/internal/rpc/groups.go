package rpc

import (
	"context"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// CreateGroup implements PermissionsService.
func (h *Handler) CreateGroup(ctx context.Context, req *permissionsv1.CreateGroupRequest) (*permissionsv1.CreateGroupResponse, error) {
	p := h.parse()
	home := p.region("region", req.GetRegion())
	group := grants.Group{Org: p.org(req.GetOrgId()), Name: req.GetName()}
	if p.err != nil {
		return nil, p.err
	}
	out := &permissionsv1.CreateGroupResponse{}
	err := h.create(ctx, permissionsv1connect.PermissionsServiceCreateGroupProcedure, home, group.Org, req.GetIdempotencyKey(), req, out,
		func(ctx context.Context, tx grants.Tx) (region.ID, error) {
			made, err := h.Commands.CreateGroup(ctx, tx, home, group)
			out.GroupId, out.Token = string(made.ID), wire(made.Token)
			return made.ID, err
		})
	return out, err
}

// AddMember implements PermissionsService.
func (h *Handler) AddMember(ctx context.Context, req *permissionsv1.AddMemberRequest) (*permissionsv1.AddMemberResponse, error) {
	token, err := h.member(ctx, req, h.Commands.AddMember)
	if err != nil {
		return nil, err
	}
	return &permissionsv1.AddMemberResponse{Token: wire(token)}, nil
}

// RemoveMember implements PermissionsService.
func (h *Handler) RemoveMember(ctx context.Context, req *permissionsv1.RemoveMemberRequest) (*permissionsv1.RemoveMemberResponse, error) {
	token, err := h.member(ctx, req, h.Commands.RemoveMember)
	if err != nil {
		return nil, err
	}
	return &permissionsv1.RemoveMemberResponse{Token: wire(token)}, nil
}

// membershipRequest is what both have.
type membershipRequest interface {
	GetOrgId() string
	GetGroupId() string
	GetMemberId() string
}

func (h *Handler) member(ctx context.Context, req membershipRequest, command func(context.Context, grants.Tx, region.ID, grants.Membership) (grants.Token, error)) (token grants.Token, err error) {
	p := h.parse()
	org := p.org(req.GetOrgId())
	m := grants.Membership{
		Group: p.id("group_id", req.GetGroupId(), region.Group), Member: p.id("member_id", req.GetMemberId(), region.Person, region.Group),
	}
	if p.err != nil {
		return token, p.err
	}
	plan := grants.Plan{Org: org, Home: p.home(m.Group), Reads: []region.ID{m.Member}, Members: []region.ID{m.Group}}
	err = h.Store.Write(ctx, plan, func(ctx context.Context, tx grants.Tx) (err error) {
		token, err = command(ctx, tx, org, m)
		return err
	})
	return token, err
}
