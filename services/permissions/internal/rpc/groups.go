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
	org, id := p.org(req.GetOrgId()), p.id("group_id", req.GetGroupId(), region.Group)
	var group grants.Group
	err := h.read(ctx, p, req, org, func(ctx context.Context, r grants.Reader) (err error) {
		group, err = r.Group(ctx, org, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return contract.Group(group), nil
}

// ListGroups implements PermissionsService.
func (h *Handler) ListGroups(ctx context.Context, req *permissionsv1.ListGroupsRequest) (*permissionsv1.ListGroupsResponse, error) {
	p := h.parse()
	org, home, page := p.org(req.GetOrgId()), p.region("region", req.GetRegion()), p.page(req)
	out := &permissionsv1.ListGroupsResponse{}
	err := h.read(ctx, p, req, org, func(ctx context.Context, r grants.Reader) error {
		found, err := r.Groups(ctx, home, org, page.after, page.limit())
		out.Groups, out.NextPageToken = pageOf(page, found, contract.Group, func(g grants.Group) region.ID { return g.ID })
		return err
	})
	return out, err
}

// UpdateGroup implements PermissionsService.
func (h *Handler) UpdateGroup(ctx context.Context, req *permissionsv1.UpdateGroupRequest) (*permissionsv1.UpdateGroupResponse, error) {
	p := h.parse()
	group := grants.Group{Org: p.org(req.GetOrgId()), ID: p.id("group_id", req.GetGroupId(), region.Group), Name: req.GetName()}
	if p.err != nil {
		return nil, p.err
	}
	out := &permissionsv1.UpdateGroupResponse{}
	err := h.Store.Write(ctx, func(ctx context.Context, tx grants.Tx) error {
		updated, err := h.Commands.UpdateGroup(ctx, tx, group, req.GetEtag())
		out.Group, out.Token = contract.Group(updated.Now), wire(updated.Token)
		return err
	})
	return out, err
}

// DeleteGroup implements PermissionsService.
func (h *Handler) DeleteGroup(ctx context.Context, req *permissionsv1.DeleteGroupRequest) (*permissionsv1.DeleteResponse, error) {
	p := h.parse()
	org, id := p.org(req.GetOrgId()), p.id("group_id", req.GetGroupId(), region.Group)
	if p.err != nil {
		return nil, p.err
	}
	out := &permissionsv1.DeleteResponse{}
	err := h.Store.Write(ctx, func(ctx context.Context, tx grants.Tx) error {
		token, err := h.Commands.DeleteGroup(ctx, tx, org, id, req.GetEtag())
		out.Token = wire(token)
		return err
	})
	return out, err
}

// ListMembers implements PermissionsService.
func (h *Handler) ListMembers(ctx context.Context, req *permissionsv1.ListMembersRequest) (*permissionsv1.ListMembersResponse, error) {
	p := h.parse()
	org, id, page := p.org(req.GetOrgId()), p.id("group_id", req.GetGroupId(), region.Group), p.page(req)
	out := &permissionsv1.ListMembersResponse{}
	err := h.read(ctx, p, req, org, func(ctx context.Context, r grants.Reader) error {
		if _, err := r.Group(ctx, org, id); err != nil {
			return err
		}
		found, err := r.MembersAfter(ctx, org, id, page.after, page.limit())
		self := func(id region.ID) region.ID { return id }
		out.MemberIds, out.NextPageToken = pageOf(page, found, func(id region.ID) string { return string(id) }, self)
		return err
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
	err = h.Store.Write(ctx, func(ctx context.Context, tx grants.Tx) (err error) {
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
	err := h.Store.Write(ctx, func(ctx context.Context, tx grants.Tx) error {
		left, err := h.Commands.EndAccess(ctx, tx, home, org, person)
		out.Grants, out.Memberships, out.Token = int32(left.Grants), int32(left.Memberships), wire(left.Token) //nolint:gosec // rows of one transaction
		return err
	})
	return out, err
}
