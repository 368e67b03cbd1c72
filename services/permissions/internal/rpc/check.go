package rpc

import (
	"context"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// Check implements PermissionsService.
func (h *Handler) Check(ctx context.Context, req *permissionsv1.CheckRequest) (*permissionsv1.CheckResponse, error) {
	p := h.parse()
	org := p.org(req.GetOrgId())
	q := grants.Question{
		Org: org, Door: p.id("door_id", req.GetDoorId(), region.Door), Person: p.id("person_id", req.GetPersonId(), region.Person),
		At: p.time("at", req.GetAt()), AtLeast: p.tokens("at_least", req.GetAtLeast(), org),
	}
	if p.err != nil {
		return nil, p.err
	}
	var answer grants.Answer
	err := h.Store.Read(ctx, func(ctx context.Context, r grants.Reader) (err error) {
		answer, err = h.Commands.Check(ctx, r, q, h.Now())
		return err
	})
	if err != nil {
		return nil, err
	}
	return &permissionsv1.CheckResponse{Decision: decision(answer.Decision, answer.Revision)}, nil
}

// decision is policy's in the form of the contracts: its numbers are theirs.
func decision(d policy.Decision, revision grants.Token) *permissionsv1.Decision {
	return &permissionsv1.Decision{
		Outcome:    permissionsv1.Outcome(d.Outcome),
		Reason:     permissionsv1.DecisionReason(d.Reason),
		GrantId:    string(d.Grant),
		ScheduleId: string(d.Schedule),
		Revision:   wire(revision),
	}
}
