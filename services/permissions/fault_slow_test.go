package permissions_test

import (
	"context"
	"testing"
	"time"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

// behind starts an instance on an existing database, through a proxy that can slow down and cut its connections.
func behind(t *testing.T, mesh *rpctest.Mesh, at region.Name, made *dbtest.Database, p permissions.Projection) (*permissionstest.Service, *dbtest.Proxy) {
	t.Helper()
	proxy, url := dbtest.NewProxy(t, made.URL)
	through := *made
	through.DB = dbtest.Open(t, database.Config{URL: url, Schema: permissions.Schema})
	return permissionstest.StartWith(t, mesh, at, permissionstest.Options{Database: &through, Projection: p}), proxy
}

// answered asks; ok is false when the service said that it cannot know, which is always right. Other errors fail the test.
func answered(t *testing.T, n *permissionstest.Tenant, person, door string, atLeast ...*typev1.ConsistencyToken) (reason permissionsv1.DecisionReason, ok bool) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := n.Check(ctx, &permissionsv1.CheckRequest{OrgId: string(n.Org), DoorId: door, PersonId: person, AtLeast: atLeast})
	if err == nil {
		return out.GetDecision().GetReason(), true
	}
	if !unavailable(err) {
		t.Errorf("Check: %v", err)
	}
	return 0, false
}

// unavailable says that a call was refused for the database's sake, and may be repeated.
func unavailable(err error) bool {
	return fault.Is(err, faultv1.Reason_REASON_DEPENDENCY_DOWN) || fault.Is(err, faultv1.Reason_REASON_UNKNOWN_OUTCOME) ||
		fault.Is(err, faultv1.Reason_REASON_NOT_FRESH_ENOUGH)
}

// The database answers each round trip 300 ms late. An instance that may answer from memory for longer than a reading takes
// goes on; one that may not says that it cannot know. Neither lets anybody in for longer than it may, nor ever behind a token.
func TestWithASlowDatabaseMemoryIsAnsweredFromForAsLongAsAllowed(t *testing.T) {
	t.Parallel()
	const late = 300 * time.Millisecond
	for name, c := range map[string]struct {
		maxUnconfirmed time.Duration
		goesOn         bool
	}{
		"longer than a reading takes":  {2500 * time.Millisecond, true},
		"shorter than a reading takes": {700 * time.Millisecond, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mesh := rpctest.New(t)
			fast := permissionstest.Start(t, mesh, central)
			slow, proxy := behind(t, mesh, central, fast.Database, permissions.Projection{Poll: 50 * time.Millisecond, MaxUnconfirmed: c.maxUnconfirmed})
			a := fast.Tenant(t, central)
			b := slow.TenantOf(a.Org, central)
			door, person := a.Door(t, a.Site(t, "UTC")), a.Person(t)
			grant := a.Let(t, person, door, "")
			b.Token = a.Token
			wantAnswer(t, b.May(t, person, door, time.Time{}), granted)

			proxy.SetDelay(late)
			for begin := time.Now(); time.Since(begin) < late; time.Sleep(10 * time.Millisecond) { // less than has been confirmed for
				if got := without(t, b, person, door); got != granted {
					t.Fatalf("from memory: %v", got)
				}
			}
			a.End(t, grant)
			ended := time.Now()
			refused := make(chan bool)
			go func() { refused <- neverGrantedWith(t, b, person, door, a.Token) }()
			var unknown, gone bool
			for !gone && !unknown || time.Since(ended) < c.maxUnconfirmed {
				begun := time.Now()
				got, ok := answered(t, b, person, door)
				if ok && got == granted && begun.Sub(ended) > c.maxUnconfirmed {
					t.Fatalf("%s after the revocation was answered: %v", begun.Sub(ended), got)
				}
				unknown, gone = unknown || !ok, gone || ok && got == noGrant
				time.Sleep(10 * time.Millisecond)
			}
			withToken := <-refused
			if c.goesOn && (!gone || !withToken) {
				t.Errorf("the revocation was never seen: without a token %v, with it %v", gone, withToken)
			}
			if !c.goesOn && !unknown {
				t.Error("answered although every reading took longer than it may be answered from")
			}
			proxy.SetDelay(0)
			becomes(t, noGrant, func() permissionsv1.DecisionReason {
				got, _ := answered(t, b, person, door)
				return got
			})
		})
	}
}

// neverGrantedWith asks with a token until there is an answer, a few times, and says whether there was one.
func neverGrantedWith(t *testing.T, n *permissionstest.Tenant, person, door string, token *typev1.ConsistencyToken) bool {
	for range 3 {
		got, ok := answered(t, n, person, door, token)
		if ok && got != noGrant {
			t.Errorf("behind the token: %v", got)
		}
		if ok {
			return true
		}
	}
	return false
}
