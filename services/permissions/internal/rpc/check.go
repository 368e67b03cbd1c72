package rpc

import (
	"context"
	"errors"
	"fmt"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/permissions/internal/projection"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// Check implements PermissionsService. It is asked at every turn of every app, so its common case makes nothing but the
// answer and waits for nothing.
func (h *Handler) Check(ctx context.Context, req *permissionsv1.CheckRequest) (*permissionsv1.CheckResponse, error) {
	q, err := h.question(req)
	if err != nil {
		return nil, err
	}
	view, err := h.view(ctx, &q)
	if errors.Is(err, errAskTheRows) {
		return h.checkRows(ctx, q)
	}
	if err != nil {
		return nil, err
	}
	decided := q.Decide(view.Facts(), q.At)
	if decided.Reason == policy.ReasonUnknownDoor {
		return nil, grants.NotFound(q.Door)
	}
	home, err := h.Commands.Regions.Home(q.Door)
	if err != nil {
		return nil, err
	}
	return checked(decided, view.Revision(home.Name)), nil
}

// errAskTheRows: the projection has no answer to the question, only the database has.
var errAskTheRows = errors.New("rpc: not to be answered from the projection")

// view returns the organization of a question, and sets the moment that it means. A moment before the latest commit is
// about facts that may not hold any more: those are in the database only, as are organizations that are too large.
func (h *Handler) view(ctx context.Context, q *grants.Question) (projection.View, error) {
	view, err := h.Projection.View(ctx, q.Org, q.AtLeast)
	switch {
	case errors.Is(err, projection.ErrTooLarge):
		return projection.View{}, errAskTheRows
	case err != nil:
		return projection.View{}, err
	case q.At.IsZero():
		q.At = grants.Now(h.Now(), view.Latest())
	case q.At.Before(view.Latest()):
		return projection.View{}, errAskTheRows
	}
	return view, nil
}

func (h *Handler) checkRows(ctx context.Context, q grants.Question) (*permissionsv1.CheckResponse, error) {
	var answer grants.Answer
	err := h.Store.Read(ctx, func(ctx context.Context, r grants.Reader) (err error) {
		answer, err = h.Commands.Check(ctx, r, q, h.Now())
		return err
	})
	if err != nil {
		return nil, err
	}
	return checked(answer.Decision, answer.Revision), nil
}

// question reads a request. Texts about what is wrong are made only where something is.
func (h *Handler) question(req *permissionsv1.CheckRequest) (grants.Question, error) {
	p := parser{regions: h.Commands.Regions}
	q := grants.Question{
		Org: p.org(req.GetOrgId()), Door: p.id("door_id", req.GetDoorId(), region.Door), Person: p.id("person_id", req.GetPersonId(), region.Person),
		At:        p.time("at", req.GetAt()),
		Direction: policy.Direction(req.GetDirection()), SecondFactor: policy.Factor(req.GetSecondFactor()),
	}
	q.AtLeast = p.atLeast(req.GetAtLeast(), q.Org)
	if req.State != nil {
		q.State = p.state(req.State)
	}
	return q, p.err
}

// atLeast is tokens of the field of that name.
func (p *parser) atLeast(all []*typev1.ConsistencyToken, org region.ID) []grants.Token {
	if len(all) == 0 {
		return nil
	}
	tokens := make([]grants.Token, len(all))
	for i, t := range all {
		r, known := p.regions.Get(region.Name(t.GetRegion()))
		if !known || t.GetOrgId() != string(org) || t.GetVersion() < 0 {
			return p.tokens("at_least", all, org)
		}
		tokens[i] = grants.Token{Service: t.GetService(), Region: r.Name, Org: org, Version: t.GetVersion()}
	}
	return tokens
}

// state is what earlier passages left behind.
func (p *parser) state(in *permissionsv1.RuleState) *policy.State {
	out := &policy.State{FirstArrival: p.time("state.first_arrival", in.GetFirstArrival())}
	if in.GetWaitingPersonId() != "" {
		out.Waiting = policy.Waiting{
			Person: policy.PersonID(p.id("state.waiting_person_id", in.GetWaitingPersonId(), region.Person)),
			Since:  p.time("state.waiting_since", in.GetWaitingSince()),
		}
	}
	if len(in.GetPresence()) > 0 {
		out.Presence = make(map[policy.ZoneID]policy.Presence, len(in.GetPresence()))
	}
	for i, at := range in.GetPresence() {
		zone := policy.ZoneID(p.id(fmt.Sprintf("state.presence[%d].zone_id", i), at.GetZoneId(), region.Zone))
		out.Presence[zone] = policy.Presence{Inside: at.GetInside(), Since: p.time(fmt.Sprintf("state.presence[%d].since", i), at.GetSince())}
	}
	if len(in.GetUses()) > 0 {
		out.Uses = make(map[policy.GrantID]int, len(in.GetUses()))
	}
	for i, used := range in.GetUses() {
		out.Uses[policy.GrantID(p.id(fmt.Sprintf("state.uses[%d].grant_id", i), used.GetGrantId(), region.Grant))] = int(used.GetUses())
	}
	return out
}

func checked(d policy.Decision, revision grants.Token) *permissionsv1.CheckResponse {
	out := &permissionsv1.CheckResponse{Decision: decision(d, revision)}
	for _, e := range d.Effects {
		out.Effects = append(out.Effects, &permissionsv1.RuleEffect{
			Kind: permissionsv1.RuleEffectKind(e.Kind), ZoneId: string(e.Zone), GrantId: string(e.Grant),
			PersonId: string(e.Person),
		})
	}
	return out
}

// decision is policy's in the form of the contracts: its numbers are theirs.
func decision(d policy.Decision, revision grants.Token) *permissionsv1.Decision {
	return decisionAt(d, wire(revision))
}

// decisionAt is decision where many have one revision.
func decisionAt(d policy.Decision, revision *typev1.ConsistencyToken) *permissionsv1.Decision {
	out := &permissionsv1.Decision{
		Outcome:    permissionsv1.Outcome(d.Outcome),
		Reason:     permissionsv1.DecisionReason(d.Reason),
		GrantId:    string(d.Grant),
		ScheduleId: string(d.Schedule),
		LockdownId: string(d.Lockdown),
		ZoneId:     string(d.Zone),
		Warning:    permissionsv1.DecisionReason(d.Warning),
		Revision:   revision,
	}
	for _, c := range d.Conditions {
		out.Conditions = append(out.Conditions, permissionsv1.DecisionReason(c))
	}
	return out
}
