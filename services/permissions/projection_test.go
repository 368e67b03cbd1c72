package permissions_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/bustest"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

// without asks without a token.
func without(t *testing.T, n *permissionstest.Tenant, person, door string) permissionsv1.DecisionReason {
	t.Helper()
	out, err := n.Check(t.Context(), &permissionsv1.CheckRequest{OrgId: string(n.Org), DoorId: door, PersonId: person})
	if err != nil {
		t.Fatal(err)
	}
	return out.GetDecision().GetReason()
}

func becomes(t *testing.T, want permissionsv1.DecisionReason, ask func() permissionsv1.DecisionReason) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		got := ask()
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still %v, want %v", got, want)
		}
	}
}

// Three instances of a region: one writes, one hears of it by the broker, one only polls. With the broker gone, the second
// is behind until somebody comes with a token; the third is behind for one poll.
func TestOtherInstancesFollowByEventsByPollsAndByTokens(t *testing.T) {
	t.Parallel()
	mesh, broker := rpctest.New(t), bustest.Start(t)
	real := broker.Connect(t)
	if err := real.EnsureStreams(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := real.EnsureBuckets(t.Context()); err != nil {
		t.Fatal(err)
	}
	const never = 10 * time.Hour
	writes := permissionstest.StartWith(t, mesh, central, permissionstest.Options{Bus: real})
	hears := permissionstest.StartWith(t, mesh, central, permissionstest.Options{
		Database: writes.Database, Bus: broker.Connect(t), Projection: permissions.Projection{Poll: never, MaxUnconfirmed: 2 * never},
	})
	polls := permissionstest.StartWith(t, mesh, central, permissionstest.Options{
		Database: writes.Database, Projection: permissions.Projection{Poll: 20 * time.Millisecond},
	})
	a := writes.Tenant(t, central)
	b, c := hears.TenantOf(a.Org, central), polls.TenantOf(a.Org, central)
	door, person := a.Door(t, a.Site(t, "UTC")), a.Person(t)
	group := a.Group(t, person)
	a.Let(t, group, door, "")
	for _, n := range []*permissionstest.Tenant{b, c} {
		n.Token = a.Token
		wantAnswer(t, n.May(t, person, door, time.Time{}), granted)
	}
	// Its subscription may begin after the first events: writes until it has heard of one, whichever. Not faster than the
	// broker takes them, or the relay would fall behind.
	from, wrote := a.Token.GetVersion(), time.Time{}
	becomes(t, granted, func() permissionsv1.DecisionReason {
		if time.Since(wrote) > 100*time.Millisecond {
			a.Add(t, group, a.Person(t))
			wrote = time.Now()
		}
		out, err := b.Check(t.Context(), &permissionsv1.CheckRequest{OrgId: string(b.Org), DoorId: door, PersonId: person})
		if err != nil || out.GetDecision().GetRevision().GetVersion() == from {
			return noGrant
		}
		return granted
	})
	a.Take(t, group, person)
	becomes(t, noGrant, func() permissionsv1.DecisionReason { return without(t, b, person, door) })
	becomes(t, noGrant, func() permissionsv1.DecisionReason { return without(t, c, person, door) })

	broker.Stop()
	a.Add(t, group, person)
	becomes(t, granted, func() permissionsv1.DecisionReason { return without(t, c, person, door) })
	if got := without(t, b, person, door); got != noGrant {
		t.Fatalf("%v: nobody told of it", got)
	}
	b.Token = a.Token
	wantAnswer(t, b.May(t, person, door, time.Time{}), granted)
}

func wantAnswer(t *testing.T, got *permissionsv1.Decision, want permissionsv1.DecisionReason) {
	t.Helper()
	if got.GetReason() != want {
		t.Fatalf("decision %v, want %v", got, want)
	}
}

// The moment before the latest commit is answered from the rows: what is in memory may not have held then.
func TestAMomentBeforeTheLatestCommitIsAnsweredFromTheRows(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	n := svc.Tenant(t, central)
	door, person := n.Door(t, n.Site(t, "UTC")), n.Person(t)
	group := n.Group(t, person)
	n.Let(t, group, door, "")
	between := time.Now()
	n.Take(t, group, person)
	wantAnswer(t, n.May(t, person, door, between), granted)
	wantAnswer(t, n.May(t, person, door, time.Time{}), noGrant)
	wantAnswer(t, n.May(t, person, door, time.Now().Add(time.Hour)), noGrant)
	wantAnswer(t, n.May(t, person, door, between.Add(-time.Hour)), permissionsv1.DecisionReason_DECISION_REASON_UNKNOWN_DOOR)
}

func TestBulkAnswersInTheOrderOfItsQuestions(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	n := svc.Tenant(t, central)
	door, person := n.Door(t, n.Site(t, "UTC")), n.Person(t)
	grant := n.Let(t, person, door, "")
	nowhere := string(region.NewID(region.Door, "euc"))
	ask := func(region string, pairs ...*permissionsv1.CheckPair) ([]*permissionsv1.Decision, error) {
		out, err := n.CheckBulk(t.Context(), &permissionsv1.CheckBulkRequest{
			OrgId: string(n.Org), Region: region, Pairs: pairs, AtLeast: tokens(n),
		})
		return out.GetDecisions(), err
	}
	pair := func(door, person string) *permissionsv1.CheckPair {
		return &permissionsv1.CheckPair{DoorId: door, PersonId: person}
	}
	var many []*permissionsv1.CheckPair
	for range 333 {
		many = append(many, pair(door, person), pair(nowhere, person), pair(door, n.Person(t)))
	}
	got, err := ask("eu-central", many...)
	if err != nil || len(got) != len(many) {
		t.Fatal(len(got), err)
	}
	for i, want := range []permissionsv1.DecisionReason{granted, permissionsv1.DecisionReason_DECISION_REASON_UNKNOWN_DOOR, noGrant} {
		if d := got[len(got)-3+i]; d.GetReason() != want || d.GetRevision().GetVersion() != n.Token.GetVersion() {
			t.Errorf("%v, want %v", d, want)
		}
	}
	if got[0].GetGrantId() != grant {
		t.Errorf("%v", got[0])
	}
	if _, err := ask("eu-west", pair(door, person)); !fault.Is(err, faultv1.Reason_REASON_OTHER_HOME) {
		t.Error(err)
	}
	if _, err := ask("eu-central", pair(door, person), pair(person, door)); !fault.Is(err, faultv1.Reason_REASON_WRONG_ID_KIND) {
		t.Error(err)
	} else if text := fmt.Sprint(err); !containsAll(text, "pairs[1]", "door_id") {
		t.Errorf("does not say where: %s", text)
	}
}

// With the state of a door the whole decision is made, and what it changes is told.
func TestAStateIsAnsweredWithItsEffects(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	n := svc.Tenant(t, central)
	door, person := n.Door(t, n.Site(t, "UTC")), n.Person(t)
	n.Let(t, person, door, "")
	// A rule, as its own call will write it.
	if _, err := svc.Database.DB.Pool().Exec(t.Context(), `UPDATE doors SET rules = '{"two_person_ms": 10000}' WHERE id = $1`, door); err != nil {
		t.Fatal(err)
	}
	fresh := permissionstest.StartWith(t, svc.Mesh, central, permissionstest.Options{Database: svc.Database}).TenantOf(n.Org, central)
	out, err := fresh.Check(t.Context(), &permissionsv1.CheckRequest{OrgId: string(n.Org), DoorId: door, PersonId: person})
	if err != nil || len(out.GetDecision().GetConditions()) != 1 || out.GetDecision().GetReason() != granted || len(out.GetEffects()) != 0 {
		t.Fatal(out, err)
	}
	out, err = fresh.Check(t.Context(), &permissionsv1.CheckRequest{
		OrgId: string(n.Org), DoorId: door, PersonId: person, State: &permissionsv1.RuleState{},
	})
	if err != nil || out.GetDecision().GetReason() != permissionsv1.DecisionReason_DECISION_REASON_SECOND_PERSON_NEEDED ||
		len(out.GetEffects()) != 1 || out.GetEffects()[0].GetKind() != permissionsv1.RuleEffectKind_RULE_EFFECT_KIND_WAIT {
		t.Fatal(out, err)
	}
	second := n.Person(t)
	fresh.Let(t, second, door, "")
	for waiting, want := range map[string]permissionsv1.RuleEffectKind{
		second:      permissionsv1.RuleEffectKind_RULE_EFFECT_KIND_PAIR,
		n.Person(t): permissionsv1.RuleEffectKind_RULE_EFFECT_KIND_WAIT, // whom no grant admits
	} {
		out, err = fresh.Check(t.Context(), &permissionsv1.CheckRequest{
			OrgId: string(n.Org), DoorId: door, PersonId: person, AtLeast: tokens(fresh),
			State: &permissionsv1.RuleState{WaitingPersonId: waiting, WaitingSince: timestamppb.Now()},
		})
		if err != nil || len(out.GetEffects()) != 1 || out.GetEffects()[0].GetKind() != want {
			t.Fatal(out, err)
		}
	}
}
