package rpc

import (
	"context"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	"github.com/cardea-mesh/cardea/services/permissions/internal/contract"
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

// GetGroup implements PermissionsService.
func (h *Handler) GetGroup(ctx context.Context, req *permissionsv1.GetGroupRequest) (*permissionsv1.Group, error) {
	p := h.parse()
	id := p.id("group_id", req.GetGroupId(), region.Group)
	return get(ctx, h, p, req, contract.Group, func(ctx context.Context, r grants.Reader, org region.ID) (grants.Group, error) {
		return r.Group(ctx, org, id)
	})
}

// ListGroups implements PermissionsService.
func (h *Handler) ListGroups(ctx context.Context, req *permissionsv1.ListGroupsRequest) (*permissionsv1.ListGroupsResponse, error) {
	p := h.parse()
	home := p.region("region", req.GetRegion())
	found, next, err := list(ctx, h, p, req, contract.Group, func(g grants.Group) region.ID { return g.ID },
		func(ctx context.Context, r grants.Reader, org region.ID, after string, limit int) ([]grants.Group, error) {
			return r.Groups(ctx, home, org, after, limit)
		})
	if err != nil {
		return nil, err
	}
	return &permissionsv1.ListGroupsResponse{Groups: found, NextPageToken: next}, nil
}

// UpdateGroup implements PermissionsService.
func (h *Handler) UpdateGroup(ctx context.Context, req *permissionsv1.UpdateGroupRequest) (*permissionsv1.UpdateGroupResponse, error) {
	p := h.parse()
	group := grants.Group{Org: p.org(req.GetOrgId()), ID: p.id("group_id", req.GetGroupId(), region.Group), Name: req.GetName()}
	now, token, err := change(ctx, h, p, p.plan(group.Org, group.ID), func(ctx context.Context, tx grants.Tx) (grants.Group, grants.Token, error) {
		return h.Commands.UpdateGroup(ctx, tx, group, req.GetEtag())
	})
	if err != nil {
		return nil, err
	}
	return &permissionsv1.UpdateGroupResponse{Group: contract.Group(now), Token: token}, nil
}

// DeleteGroup implements PermissionsService.
func (h *Handler) DeleteGroup(ctx context.Context, req *permissionsv1.DeleteGroupRequest) (*permissionsv1.DeleteResponse, error) {
	p := h.parse()
	org, id := p.org(req.GetOrgId()), p.id("group_id", req.GetGroupId(), region.Group)
	return h.remove(ctx, p, org, id, func(ctx context.Context, tx grants.Tx) (grants.Token, error) {
		return h.Commands.DeleteGroup(ctx, tx, org, id, req.GetEtag())
	})
}

// ListMembers implements PermissionsService.
func (h *Handler) ListMembers(ctx context.Context, req *permissionsv1.ListMembersRequest) (*permissionsv1.ListMembersResponse, error) {
	p := h.parse()
	group := p.id("group_id", req.GetGroupId(), region.Group)
	text, self := func(id region.ID) string { return string(id) }, func(id region.ID) region.ID { return id }
	found, next, err := list(ctx, h, p, req, text, self,
		func(ctx context.Context, r grants.Reader, org region.ID, after string, limit int) ([]region.ID, error) {
			if _, err := r.Group(ctx, org, group); err != nil {
				return nil, err
			}
			return r.MembersAfter(ctx, org, group, after, limit)
		})
	if err != nil {
		return nil, err
	}
	return &permissionsv1.ListMembersResponse{MemberIds: found, NextPageToken: next}, nil
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
	lateRequest
	GetOrgId() string
	GetGroupId() string
	GetMemberId() string
}

type membershipCommand func(context.Context, grants.Tx, region.ID, grants.Membership, time.Time) (grants.Token, error)

func (h *Handler) member(ctx context.Context, req membershipRequest, command membershipCommand) (token grants.Token, err error) {
	p := h.parse()
	org := p.org(req.GetOrgId())
	m := grants.Membership{
		Group: p.id("group_id", req.GetGroupId(), region.Group), Member: p.id("member_id", req.GetMemberId(), region.Person, region.Group),
	}
	since := p.effective(req, h.Now())
	if p.err != nil {
		return token, p.err
	}
	plan := grants.Plan{Org: org, Home: p.home(m.Group), Reads: []region.ID{m.Member}, Members: []grants.Membership{m}}
	err = h.Store.Write(ctx, plan, func(ctx context.Context, tx grants.Tx) (err error) {
		token, err = command(ctx, tx, org, m, since)
		return err
	})
	return token, err
}

// EndAccess implements PermissionsService.
func (h *Handler) EndAccess(ctx context.Context, req *permissionsv1.EndAccessRequest) (*permissionsv1.EndAccessResponse, error) {
	p := h.parse()
	org, home := p.org(req.GetOrgId()), p.region("region", req.GetRegion())
	person := p.id("person_id", req.GetPersonId(), region.Person)
	if p.err != nil {
		return nil, p.err
	}
	out := &permissionsv1.EndAccessResponse{}
	err := h.Store.Write(ctx, grants.Plan{Org: org, Home: home}, func(ctx context.Context, tx grants.Tx) error {
		left, err := h.Commands.EndAccess(ctx, tx, home, org, person)
		out.Grants, out.Memberships, out.Token = int32(left.Grants), int32(left.Memberships), wire(left.Token) //nolint:gosec // rows of one transaction
		return err
	})
	return out, err
}
