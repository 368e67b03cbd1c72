package rpc

import (
	"context"
	"fmt"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
)

// Follow implements PermissionsService.
func (h *Handler) Follow(ctx context.Context, req *permissionsv1.FollowRequest) (*permissionsv1.FollowResponse, error) {
	p := h.parse()
	org := p.org(req.GetOrgId())
	r := grants.FollowRequest{
		Org: org, Subject: p.id("subject_id", req.GetSubjectId(), region.Person, region.Group),
		Follower: p.region("follower_region", req.GetFollowerRegion()), Wanted: req.GetWanted(),
		Source: p.source(ctx, req.GetSource(), org),
	}
	if p.err != nil {
		return nil, p.err
	}
	out := &permissionsv1.FollowResponse{}
	plan := grants.Plan{Org: org, Home: p.home(r.Subject), Reads: []region.ID{r.Subject}}
	err := h.Store.Write(ctx, plan, func(ctx context.Context, tx grants.Tx) error {
		token, err := h.Commands.Follow(ctx, tx, r)
		out.Token = wire(token)
		return err
	})
	return out, err
}

// ReceiveMemberships implements PermissionsService.
func (h *Handler) ReceiveMemberships(ctx context.Context, req *permissionsv1.ReceiveMembershipsRequest) (*permissionsv1.ReceiveMembershipsResponse, error) {
	p := h.parse()
	org := p.org(req.GetOrgId())
	r := grants.ReceivedGroup{
		Org: org, Group: p.id("group_id", req.GetGroupId(), region.Group), Region: p.region("region", req.GetRegion()),
		Members: p.ids("member_ids", req.GetMemberIds(), region.Person, region.Group),
		Source:  p.source(ctx, req.GetSource(), org),
	}
	if p.err != nil {
		return nil, p.err
	}
	out := &permissionsv1.ReceiveMembershipsResponse{}
	plan := grants.Plan{Org: org, Home: r.Region}
	err := h.Store.Write(ctx, plan, func(ctx context.Context, tx grants.Tx) error {
		token, err := h.Commands.Receive(ctx, tx, r)
		out.Token = wire(token)
		return err
	})
	return out, err
}

// source is the commit of another jurisdiction that led to a call. Only a service of that jurisdiction may name it.
func (p *parser) source(ctx context.Context, t *typev1.ConsistencyToken, org region.ID) grants.Token {
	token := p.token("source", t, org)
	if token.Service != "permissions" || token.Version == 0 {
		p.fail("source", fmt.Errorf("%w: not a commit of permissions", grants.ErrInvalid))
	}
	if caller := rpc.CallerFrom(ctx); !p.regions.Together(caller.Region, token.Region) {
		p.fail("source", fmt.Errorf("%w: %s in the name of %s", grants.ErrForeignCaller, caller.Region, token.Region))
	}
	return token
}
