package permissions_test

import (
	"fmt"
	"testing"
	"time"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"github.com/cardea-mesh/cardea/services/policy"
	"github.com/cardea-mesh/cardea/services/policy/policytest"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// The scenario files of policy, asked through every API that answers the question: the rows must give the same answers as
// the facts. What follows from facts alone is asked of all; where an expectation has a state, Check and Explain are asked
// with it as well.
func TestScenariosOfPolicyThroughTheService(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	for i, scenario := range policytest.Scenarios(t) {
		t.Run(scenario.Name, func(t *testing.T) {
			tenant := svc.Tenant(t, central)
			tenant.Site(t, "UTC") // the organization has a commit
			a := asking{tenant: tenant, names: namesOf(t, i, scenario), facts: scenario.Facts()}
			load(t, svc, tenant.Org, a.names, scenario)
			for _, e := range scenario.Expect {
				if e.Request.Credential != nil && e.Request.Credential.Status != policy.CredentialActive || e.Request.Person == "" {
					continue // permissions knows people, not credentials
				}
				t.Run(fmt.Sprintf("line %d at %s", e.Line, e.At.Format(time.RFC3339)), func(t *testing.T) { a.expect(t, e) })
			}
		})
	}
}

// asking is one scenario in the store.
type asking struct {
	tenant *permissionstest.Tenant
	names  *names
	facts  *policy.Snapshot
}

// question is an expectation in the words of the API.
type question struct {
	org, door, person string
	at                time.Time
	direction         permissionsv1.Direction
	factor            permissionsv1.SecondFactor
	state             *permissionsv1.RuleState // nil: from facts alone
}

// answer is what an API says.
type answer struct {
	decision   *permissionsv1.Decision
	effects    []*permissionsv1.RuleEffect // Check only
	standsOpen *bool                       // where the API tells
}

// decides are the APIs that answer one question.
var decides = map[string]func(*testing.T, *permissionstest.Tenant, question) (answer, error){
	"Check":     askCheck,
	"CheckBulk": askBulk,
	"Explain":   askExplain,
}

// lists are the APIs that list those whom a grant admits; the decision is nil for somebody who is not listed.
var lists = map[string]func(*testing.T, *permissionstest.Tenant, question) (answer, error){
	"AccessAt of the door":   askDoorsPast,
	"AccessAt of the person": askPersonsPast,
	"ListPeople":             askPeople,
	"ListDoors":              askDoors,
}

// takesState are those of decides that take direction, second factor and state.
var takesState = map[string]bool{"Check": true, "Explain": true}

// atTheDoor marks the questions that are asked with a state; of those, Check answers with effects.
const (
	atTheDoor      = " with what is known at the door"
	checkWithState = "Check" + atTheDoor
)

func (a asking) expect(t *testing.T, e policytest.Expectation) {
	t.Helper()
	q := question{
		org: string(a.tenant.Org), door: string(a.names.id(region.Door, string(e.Request.Door))),
		person: string(a.names.id(region.Person, string(e.Request.Person))), at: e.At,
	}
	bare := policy.Request{Door: e.Request.Door, Person: e.Request.Person, Entitled: true}
	want := policy.Decide(bare, a.facts, policy.State{}, e.At)
	if e.Request.Entitled && e.Request.Direction == 0 && e.Request.SecondFactor == 0 {
		want = e.Want // the file's own words
	}
	_, stands := policy.StandsOpen(a.facts, e.Request.Door, policy.State{}, e.At)
	for name, ask := range decides {
		got, err := ask(t, a.tenant, q)
		a.same(t, name, got, err, want, want.Effects)
		if got.standsOpen != nil && *got.standsOpen != stands {
			t.Errorf("%s: stands open %v, want %v", name, *got.standsOpen, stands)
		}
	}
	for name, ask := range lists {
		got, err := ask(t, a.tenant, q)
		if want.Reason == policy.ReasonUnknownDoor && fault.Is(err, faultv1.Reason_REASON_NOT_FOUND) {
			continue
		}
		if err != nil || (got.decision != nil) != (want.Reason == policy.ReasonGrant) {
			t.Errorf("%s: listed %v, want %v, error %v", name, got.decision, want, err)
			continue
		}
		if got.decision != nil {
			a.same(t, name, got, nil, want, nil)
		}
		if got.standsOpen != nil && *got.standsOpen != stands {
			t.Errorf("%s: stands open %v, want %v", name, *got.standsOpen, stands)
		}
	}
	q.direction, q.factor = permissionsv1.Direction(e.Request.Direction), permissionsv1.SecondFactor(e.Request.SecondFactor)
	if !e.Request.Entitled {
		q.state = a.state(e.State)
	}
	for name, ask := range decides {
		if takesState[name] {
			got, err := ask(t, a.tenant, q)
			if !defined(q) && fault.Is(err, faultv1.Reason_REASON_INVALID_FIELD) {
				continue // policy is asked what it makes of numbers from the future
			}
			a.same(t, name+atTheDoor, got, err, e.Want, e.Want.Effects)
		}
	}
}

func defined(q question) bool {
	return permissionsv1.Direction_name[int32(q.direction)] != "" && permissionsv1.SecondFactor_name[int32(q.factor)] != ""
}

// same compares an answer with what policy says.
func (a asking) same(t *testing.T, name string, got answer, err error, want policy.Decision, effects []policy.Effect) {
	t.Helper()
	if want.Reason == policy.ReasonUnknownDoor && (fault.Is(err, faultv1.Reason_REASON_NOT_FOUND) ||
		got.decision.GetReason() == permissionsv1.DecisionReason_DECISION_REASON_UNKNOWN_DOOR) {
		return
	}
	if err != nil {
		t.Errorf("%s: %v, want %v", name, err, want)
		return
	}
	wanted := &permissionsv1.Decision{
		Outcome: permissionsv1.Outcome(want.Outcome), Reason: permissionsv1.DecisionReason(want.Reason),
		GrantId:    string(a.names.id(region.Grant, string(want.Grant))),
		ScheduleId: string(a.names.id(region.Schedule, string(want.Schedule))),
		LockdownId: string(a.names.id(region.Lockdown, string(want.Lockdown))),
		ZoneId:     string(a.names.id(region.Zone, string(want.Zone))),
		Warning:    permissionsv1.DecisionReason(want.Warning), Revision: got.decision.GetRevision(),
	}
	for _, c := range want.Conditions {
		wanted.Conditions = append(wanted.Conditions, permissionsv1.DecisionReason(c))
	}
	if !proto.Equal(got.decision, wanted) {
		t.Errorf("%s:\n%v\nwant\n%v", name, got.decision, wanted)
	}
	if got.decision.GetRevision().GetVersion() == 0 {
		t.Errorf("%s: without a revision", name)
	}
	if name == checkWithState {
		a.sameEffects(t, got.effects, effects)
	}
}

func (a asking) sameEffects(t *testing.T, got []*permissionsv1.RuleEffect, want []policy.Effect) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("effects %v, want %v", got, want)
		return
	}
	for i, e := range want {
		w := &permissionsv1.RuleEffect{
			Kind: permissionsv1.RuleEffectKind(e.Kind), ZoneId: string(a.names.id(region.Zone, string(e.Zone))),
			GrantId: string(a.names.id(region.Grant, string(e.Grant))), PersonId: string(a.names.id(region.Person, string(e.Person))),
		}
		if !proto.Equal(got[i], w) {
			t.Errorf("effects %v, want %v", got, want)
		}
	}
}

func (a asking) state(s policy.State) *permissionsv1.RuleState {
	out := &permissionsv1.RuleState{FirstArrival: moment(s.FirstArrival)}
	for zone, p := range s.Presence {
		out.Presence = append(out.Presence, &permissionsv1.ZonePresence{
			ZoneId: string(a.names.id(region.Zone, string(zone))), Inside: p.Inside, Since: timestamppb.New(p.Since),
		})
	}
	if s.Waiting.Person != "" {
		out.WaitingPersonId, out.WaitingSince = string(a.names.id(region.Person, string(s.Waiting.Person))), timestamppb.New(s.Waiting.Since)
	}
	for grant, uses := range s.Uses {
		out.Uses = append(out.Uses, &permissionsv1.GrantUses{GrantId: string(a.names.id(region.Grant, string(grant))), Uses: int32(uses)}) //nolint:gosec // small
	}
	return out
}

func moment(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func askCheck(t *testing.T, tenant *permissionstest.Tenant, q question) (answer, error) {
	out, err := tenant.Check(t.Context(), &permissionsv1.CheckRequest{
		OrgId: q.org, DoorId: q.door, PersonId: q.person, At: timestamppb.New(q.at), Direction: q.direction, SecondFactor: q.factor, State: q.state,
	})
	return answer{decision: out.GetDecision(), effects: out.GetEffects()}, err
}

func askDoorsPast(t *testing.T, tenant *permissionstest.Tenant, q question) (answer, error) {
	return inPast(t, tenant, q, &permissionsv1.AccessAtRequest{DoorId: q.door})
}

func askPersonsPast(t *testing.T, tenant *permissionstest.Tenant, q question) (answer, error) {
	return inPast(t, tenant, q, &permissionsv1.AccessAtRequest{PersonId: q.person, Region: "eu-central"})
}

func inPast(t *testing.T, tenant *permissionstest.Tenant, q question, req *permissionsv1.AccessAtRequest) (a answer, err error) {
	req.OrgId, req.At, req.PageSize = q.org, timestamppb.New(q.at), 3
	for {
		out, err := tenant.AccessAt(t.Context(), req)
		if err != nil {
			return a, err
		}
		if req.DoorId != "" {
			a.standsOpen = proto.Bool(out.GetStandsOpen())
		}
		for _, listed := range out.GetAccess() {
			if listed.GetDoorId() == q.door && listed.GetPersonId() == q.person {
				a.decision = listed.GetDecision()
			}
		}
		if req.PageToken = out.GetNextPageToken(); req.PageToken == "" {
			return a, nil
		}
	}
}

func askBulk(t *testing.T, tenant *permissionstest.Tenant, q question) (answer, error) {
	pair := &permissionsv1.CheckPair{DoorId: q.door, PersonId: q.person}
	out, err := tenant.CheckBulk(t.Context(), &permissionsv1.CheckBulkRequest{
		OrgId: q.org, Region: "eu-central", Pairs: []*permissionsv1.CheckPair{pair, pair}, At: timestamppb.New(q.at),
	})
	if err != nil || len(out.GetDecisions()) != 2 {
		return answer{}, fmt.Errorf("%d decisions: %w", len(out.GetDecisions()), err)
	}
	return answer{decision: out.GetDecisions()[1]}, nil
}

func askExplain(t *testing.T, tenant *permissionstest.Tenant, q question) (answer, error) {
	out, err := tenant.Explain(t.Context(), &permissionsv1.ExplainRequest{
		OrgId: q.org, DoorId: q.door, PersonId: q.person, At: timestamppb.New(q.at), Direction: q.direction, SecondFactor: q.factor, State: q.state,
	})
	a := answer{decision: out.GetDecision()}
	if err == nil && q.state == nil {
		a.standsOpen = proto.Bool(out.GetStandsOpen())
	}
	return a, err
}

func askPeople(t *testing.T, tenant *permissionstest.Tenant, q question) (a answer, err error) {
	req := &permissionsv1.ListPeopleRequest{OrgId: q.org, DoorId: q.door, At: timestamppb.New(q.at), PageSize: 3}
	for {
		out, err := tenant.ListPeople(t.Context(), req)
		if err != nil {
			return a, err
		}
		a.standsOpen = proto.Bool(out.GetStandsOpen())
		for _, listed := range out.GetPeople() {
			if listed.GetPersonId() == q.person {
				a.decision = listed.GetDecision()
			}
		}
		if req.PageToken = out.GetNextPageToken(); req.PageToken == "" {
			return a, nil
		}
	}
}

func askDoors(t *testing.T, tenant *permissionstest.Tenant, q question) (a answer, err error) {
	req := &permissionsv1.ListDoorsRequest{OrgId: q.org, PersonId: q.person, Region: "eu-central", At: timestamppb.New(q.at), PageSize: 3}
	for {
		out, err := tenant.ListDoors(t.Context(), req)
		if err != nil {
			return a, err
		}
		for _, listed := range out.GetDoors() {
			if listed.GetDoorId() == q.door {
				a.decision = listed.GetDecision()
			}
		}
		if req.PageToken = out.GetNextPageToken(); req.PageToken == "" {
			return a, nil
		}
	}
}
