package rpc

import (
	"context"
	"errors"
	"fmt"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// CheckBulk implements PermissionsService.
func (h *Handler) CheckBulk(ctx context.Context, req *permissionsv1.CheckBulkRequest) (*permissionsv1.CheckBulkResponse, error) {
	all, home, err := h.questions(req)
	if err != nil {
		return nil, err
	}
	view, err := h.view(ctx, &all[0])
	if errors.Is(err, errAskTheRows) {
		return h.bulkRows(ctx, all)
	}
	if err != nil {
		return nil, err
	}
	out := &permissionsv1.CheckBulkResponse{Decisions: make([]*permissionsv1.Decision, len(all))}
	revision := wire(view.Revision(home))
	for i, q := range all {
		out.Decisions[i] = decisionAt(q.Decide(view.Facts(), all[0].At), revision)
	}
	return out, nil
}

// questions of a request: those after the first have only a door and a person of their own.
func (h *Handler) questions(req *permissionsv1.CheckBulkRequest) ([]grants.Question, region.Name, error) {
	p := h.parse()
	first := grants.Question{Org: p.org(req.GetOrgId()), At: p.time("at", req.GetAt())}
	first.AtLeast = p.atLeast(req.GetAtLeast(), first.Org)
	home := p.region("region", req.GetRegion())
	all := make([]grants.Question, len(req.GetPairs()))
	for i, pair := range req.GetPairs() {
		if p.err != nil {
			break
		}
		q := first
		q.Door, q.Person = p.id("door_id", pair.GetDoorId(), region.Door), p.id("person_id", pair.GetPersonId(), region.Person)
		if p.err == nil && p.home(q.Door) != home {
			p.fail("door_id", fmt.Errorf("%w: %s lives in %s, the question is to %s", grants.ErrOtherHome, q.Door, p.home(q.Door), home))
		}
		if p.err != nil {
			p.err = fmt.Errorf("pairs[%d].%w", i, p.err)
		}
		all[i] = q
	}
	return all, home, p.err
}

func (h *Handler) bulkRows(ctx context.Context, all []grants.Question) (*permissionsv1.CheckBulkResponse, error) {
	var answers []grants.Answer
	err := h.Store.Read(ctx, func(ctx context.Context, r grants.Reader) (err error) {
		answers, err = h.Commands.CheckAll(ctx, r, all, h.Now())
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &permissionsv1.CheckBulkResponse{}
	for _, a := range answers {
		out.Decisions = append(out.Decisions, decision(a.Decision, a.Revision))
	}
	return out, nil
}
