package permissions_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

// written is what one writer knows of a person: the last answered write, and whether it let them in.
type written struct {
	person string
	grant  string
	inside bool
	token  *typev1.ConsistencyToken
}

// PostgreSQL is killed under writers and checkers, and recovers from its log. Every answered write is there, of the others
// all or nothing, checks recover by themselves, and what is in memory is as new as the rows.
func TestADatabaseThatIsKilledKeepsEveryAnsweredWrite(t *testing.T) {
	t.Parallel()
	const writers, beforeTheKill, afterIt = 6, 40, 40
	server, mesh := dbtest.NewServer(t), rpctest.New(t)
	made := server.Make(t, dbtest.Options{Schema: permissions.Schema, Sets: permissions.Migrations()})
	other := *made
	other.DB = dbtest.Open(t, database.Config{URL: made.URL, Schema: permissions.Schema})
	soon := permissions.Projection{Poll: 20 * time.Millisecond, MaxUnconfirmed: 300 * time.Millisecond}
	one := permissionstest.StartWith(t, mesh, central, permissionstest.Options{Database: made, Projection: soon})
	two := permissionstest.StartWith(t, mesh, central, permissionstest.Options{Database: &other, Publisher: one.Broker, Projection: soon})
	n := one.Tenant(t, central)
	door, bystander := n.Door(t, n.Site(t, "UTC")), n.Person(t)
	n.Let(t, bystander, door, "")

	over, stop := context.WithCancel(t.Context()) // of the load; calls go on to their end
	var load sync.WaitGroup
	var count atomic.Int64
	known := make([][]written, writers)
	for i := range writers {
		at := []*permissionstest.Tenant{one.TenantOf(n.Org, central), two.TenantOf(n.Org, central)}[i%2]
		load.Go(func() {
			for turn := 0; over.Err() == nil; turn++ {
				if w, ok := letAndMaybeEnd(t.Context(), t, at, door, fmt.Sprint(i, "-", turn), turn%3 == 0, &count); ok {
					known[i] = append(known[i], w)
				}
			}
		})
	}
	var refusals atomic.Int64
	for _, at := range []*permissionstest.Tenant{one.TenantOf(n.Org, central), two.TenantOf(n.Org, central)} {
		load.Go(func() {
			for over.Err() == nil {
				got, ok := answered(t, at, bystander, door)
				if ok && got != granted {
					t.Errorf("the bystander's: %v", got)
				}
				if !ok {
					refusals.Add(1)
				}
			}
		})
	}
	eventually(t, "answered writes", func() bool { return count.Load() >= beforeTheKill })
	server.Kill(t)
	eventually(t, "checks to be refused: memory is answered from for a while only", func() bool { return refusals.Load() > 0 })
	server.Restart(t)
	before := count.Load()
	eventually(t, "writes to be answered again", func() bool { return count.Load() >= before+afterIt })
	stop()
	load.Wait()

	grants, ended := everyGrantIsWhole(t, one, n)
	head := headOf(t, one, n)
	ends := 0
	for _, all := range known {
		for _, w := range all {
			want := noGrant
			if w.inside {
				want = granted
			} else {
				ends++
			}
			for _, svc := range []*permissionstest.Service{one, two} {
				if got, ok := answered(t, svc.TenantOf(n.Org, central), w.person, door, w.token); !ok || got != want {
					t.Errorf("%s, written in version %d: %v, want %v", w.person, w.token.GetVersion(), got, want)
				}
			}
		}
	}
	for _, svc := range []*permissionstest.Service{one, two} {
		eventually(t, "memory to be as new as the rows", func() bool {
			out, err := svc.TenantOf(n.Org, central).Check(t.Context(), &permissionsv1.CheckRequest{OrgId: string(n.Org), DoorId: door, PersonId: bystander})
			return err == nil && out.GetDecision().GetRevision().GetVersion() == head
		})
	}
	t.Logf("%d writes answered, %d grants (%d ended, %d of them answered), head %d", count.Load(), grants, ended, ends, head)
}

// letAndMaybeEnd makes a grant, insisting under its key, and may end it. Where the end is not answered nothing is known.
func letAndMaybeEnd(ctx context.Context, t *testing.T, n *permissionstest.Tenant, door, key string, end bool, count *atomic.Int64) (written, bool) {
	w := written{person: n.Person(t), inside: true}
	request := &permissionsv1.GrantRequest{OrgId: string(n.Org), SubjectId: w.person, TargetId: door, IdempotencyKey: key}
	out, err := n.Grant(ctx, request)
	for ; err != nil; out, err = n.Grant(ctx, request) {
		if !unavailable(err) {
			t.Errorf("Grant: %v", err)
			return w, false
		}
	}
	count.Add(1)
	if w.grant, w.token = out.GetGrantId(), out.GetToken(); !end {
		return w, true
	}
	ended, err := n.Revoke(ctx, &permissionsv1.RevokeRequest{OrgId: string(n.Org), GrantId: w.grant})
	if err != nil {
		return w, false
	}
	count.Add(1)
	w.inside, w.token = false, ended.GetToken()
	return w, true
}

// everyGrantIsWhole fails the test where a grant is in one place and not in another: its row, its event, its answer under its
// key, and its fact at the broker.
func everyGrantIsWhole(t *testing.T, svc *permissionstest.Service, n *permissionstest.Tenant) (grants, ended int) {
	t.Helper()
	grants = countOf(t, svc, `SELECT count(DISTINCT id) FROM grants WHERE org = $1`, n.Org)
	ended = countOf(t, svc, `SELECT count(DISTINCT id) FROM grants WHERE org = $1 AND superseded_at IS NULL AND revoked`, n.Org)
	for what, got := range map[string]int{
		"events of grants": eventCount(t, svc, n, "grant_created"),
		"grants with an event in their version": countOf(t, svc, `SELECT count(*) FROM events e WHERE org = $1 AND kind = 'grant_created'
			AND EXISTS (SELECT 1 FROM grants g WHERE g.region = e.region AND g.id = e.stream AND g.version = e.org_version)`, n.Org),
		"kept answers": countOf(t, svc, `SELECT count(*) FROM idempotency WHERE org = $1 AND method LIKE '%/Grant'`, n.Org),
	} {
		if got != grants {
			t.Errorf("%d %s, %d grants", got, what, grants)
		}
	}
	if got := eventCount(t, svc, n, "grant_revoked"); got != ended {
		t.Errorf("%d events of ends, %d grants ended", got, ended)
	}
	versions := countOf(t, svc, `SELECT count(DISTINCT org_version) FROM events WHERE org = $1`, n.Org)
	head := headOf(t, svc, n)
	if int64(versions) != head {
		t.Errorf("events of %d versions, the head is at %d", versions, head)
	}
	svc.Broker.WaitHead(t, west, &typev1.ConsistencyToken{Service: "permissions", Region: "eu-central", OrgId: string(n.Org), Version: head})
	facts := 0
	for _, w := range svc.Broker.Keys(west, string(n.Org)+".site.") {
		if isGrantKey(w) {
			facts++
		}
	}
	if facts != grants-ended {
		t.Errorf("gateways are told of %d grants, %d hold", facts, grants-ended)
	}
	return grants, ended
}

func isGrantKey(key string) bool { return strings.Contains(key, ".grant.") }
