package rpc

import (
	"context"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/policy"
)

// maxConsidered is how many grants an explanation names.
const maxConsidered = 1000

// Explain implements PermissionsService. The question is that of Check.
func (h *Handler) Explain(ctx context.Context, req *permissionsv1.ExplainRequest) (*permissionsv1.ExplainResponse, error) {
	q, err := h.question(&permissionsv1.CheckRequest{
		OrgId: req.GetOrgId(), DoorId: req.GetDoorId(), PersonId: req.GetPersonId(), At: req.GetAt(), AtLeast: req.GetAtLeast(),
		Direction: req.GetDirection(), SecondFactor: req.GetSecondFactor(), State: req.GetState(),
	})
	if err != nil {
		return nil, err
	}
	var e grants.Explanation
	err = h.Store.Read(ctx, func(ctx context.Context, r grants.Reader) (err error) {
		e, err = h.Commands.Explain(ctx, r, q, h.Now())
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &permissionsv1.ExplainResponse{
		Decision: decision(e.Decision, e.Revision), Subjects: ways(e.Subjects), Targets: ways(e.Targets), StandsOpen: e.StandsOpen,
	}
	if out.ConsideredCut = len(e.Considered) > maxConsidered; out.ConsideredCut {
		e.Considered = e.Considered[:maxConsidered]
	}
	for _, c := range e.Considered {
		out.Considered = append(out.Considered, &permissionsv1.Considered{
			GrantId: string(c.Grant), SubjectId: string(c.Subject), TargetId: string(c.Target), ScheduleId: string(c.Schedule),
			Reason: permissionsv1.DecisionReason(c.Reason),
		})
	}
	for _, id := range e.Lockdowns {
		out.LockdownIds = append(out.LockdownIds, string(id))
	}
	return out, nil
}

func ways(all []policy.Via) []*permissionsv1.Via {
	var out []*permissionsv1.Via
	for _, v := range all {
		out = append(out, &permissionsv1.Via{Id: v.ID, From: v.From})
	}
	return out
}
