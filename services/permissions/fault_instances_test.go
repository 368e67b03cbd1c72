package permissions_test

import (
	"slices"
	"sync"
	"testing"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

// racing is what two instances race about: one and two are the same caller at each of them.
type racing struct {
	one, two *permissionstest.Tenant
	things
	schedule string
}

// race is one command of each of two instances at the same time, and what must hold afterwards.
type race struct {
	name     string
	prepare  func(t *testing.T, r *racing) // what is to be there, beside things
	one, two func(t *testing.T, r *racing) call
	// refusals are how either may be told that the other was first; none: both succeed.
	refusals []faultv1.Reason
	// never: not both succeed.
	never bool
	// opens says whether person may open door in the end.
	opens func(one, two outcome) bool
	// kind and count are events that the two make together; empty: whatever they are.
	kind  string
	count int
}

type outcome struct {
	token *typev1.ConsistencyToken
	err   error
}

// last says whether o was done, and what other did was done before.
func (o outcome) last(other outcome) bool {
	return o.err == nil && (other.err != nil || o.token.GetVersion() > other.token.GetVersion())
}

// Two instances, each with connections of its own, change the same thing at once. Whatever the order, the outcome is as if
// one had come after the other, both know it, and both answer alike.
func TestTwoInstancesThatWriteTheSameThing(t *testing.T) {
	t.Parallel()
	const rounds = 4
	mesh := rpctest.New(t)
	first := permissionstest.Start(t, mesh, central)
	own := *first.Database
	own.DB = dbtest.Open(t, database.Config{URL: own.URL, Schema: permissions.Schema})
	second := permissionstest.StartWith(t, mesh, central, permissionstest.Options{Database: &own, Publisher: first.Broker})
	for _, c := range slices.Concat(racesOfKeys(), racesOfPlaces()) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for round := range rounds {
				c.run(t, first, second, round)
			}
		})
	}
}

func (c race) run(t *testing.T, first, second *permissionstest.Service, round int) {
	n := first.Tenant(t, central)
	r := &racing{one: n, two: second.TenantOf(n.Org, central), things: newThings(t, n)}
	r.two.PermissionsServiceClient = second.Client(n.Credential) // one caller: keys of idempotency meet
	if c.prepare != nil {
		c.prepare(t, r)
	}
	calls := [2]call{c.one(t, r), c.two(t, r)}
	before := eventCount(t, first, n, c.kind)
	var outcomes [2]outcome
	var both sync.WaitGroup
	for i := range calls {
		i = (i + round) % 2
		both.Go(func() {
			out, err := calls[i](t.Context())
			if outcomes[i].err = err; err == nil {
				outcomes[i].token = out.GetToken()
			}
		})
	}
	both.Wait()
	for i, o := range outcomes {
		if o.err != nil && !slices.ContainsFunc(c.refusals, func(r faultv1.Reason) bool { return fault.Is(o.err, r) }) {
			t.Errorf("command %d is refused: %v", i+1, o.err)
		}
	}
	if one, two := outcomes[0].err == nil, outcomes[1].err == nil; !one && !two || c.never && one && two {
		t.Errorf("both or none: %v, %v", outcomes[0].err, outcomes[1].err)
	}
	if got := eventCount(t, first, n, c.kind) - before; c.kind != "" && got != c.count {
		t.Errorf("%d events %s, want %d", got, c.kind, c.count)
	}
	if c.opens == nil {
		return
	}
	for i, at := range []*permissionstest.Tenant{r.one, r.two} {
		if got, want := opens(t, at, r, outcomes), c.opens(outcomes[0], outcomes[1]); got != want {
			t.Errorf("instance %d says that the person may open: %v, want %v after %v", i+1, got, want, outcomes)
		}
	}
}

// opens asks with the tokens of both; a door that is gone opens to nobody.
func opens(t *testing.T, n *permissionstest.Tenant, r *racing, outcomes [2]outcome) bool {
	t.Helper()
	req := &permissionsv1.CheckRequest{OrgId: string(n.Org), DoorId: r.door, PersonId: r.person}
	for _, o := range outcomes {
		if o.token != nil {
			req.AtLeast = append(req.AtLeast, o.token)
		}
	}
	out, err := n.Check(t.Context(), req)
	if err != nil && !fault.Is(err, faultv1.Reason_REASON_NOT_FOUND) {
		t.Error(err)
	}
	return out.GetDecision().GetOutcome() == permissionsv1.Outcome_OUTCOME_GRANTED
}
