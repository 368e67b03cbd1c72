package permissions_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestTheNeighbourServesWhenTheHomesInstanceIsDown(t *testing.T) {
	t.Parallel()
	mesh := rpctest.New(t)
	home := permissionstest.Start(t, mesh, central)
	neighbour := permissionstest.StartWith(t, mesh, west, permissionstest.Options{Database: home.Database})
	tenant := home.Tenant(t, central)
	door, person := tenant.Door(t, tenant.Site(t, "UTC")), tenant.Person(t)
	home.Stop()

	there := neighbour.TenantOf(tenant.Org, central)
	grant := there.Let(t, person, door, "")
	wantDecision(t, there.May(t, person, door, time.Time{}), granted, grant, "")
	if there.Token.GetRegion() != "eu-central" || there.Token.GetVersion() != tenant.Token.GetVersion()+1 {
		t.Fatalf("the neighbour wrote into its own region: %v after %v", there.Token, tenant.Token)
	}
}

func TestWithoutItsDatabaseEveryCallSaysSoAndComesBack(t *testing.T) {
	t.Parallel()
	mesh := rpctest.New(t)
	made := dbtest.Make(t, dbtest.Options{Schema: permissions.Schema, Sets: permissions.Migrations()})
	proxy, url := dbtest.NewProxy(t, made.URL)
	direct := *made
	direct.DB = dbtest.Open(t, database.Config{URL: url, Schema: permissions.Schema})
	svc := permissionstest.StartWith(t, mesh, central, permissionstest.Options{Database: &direct})
	tenant := svc.Tenant(t, central)
	door, person := tenant.Door(t, tenant.Site(t, "UTC")), tenant.Person(t)
	grant := &permissionsv1.GrantRequest{OrgId: string(tenant.Org), SubjectId: person, TargetId: door, IdempotencyKey: "once"}

	proxy.Cut()
	if _, err := tenant.Grant(t.Context(), grant); !fault.Is(err, faultv1.Reason_REASON_DEPENDENCY_DOWN) {
		t.Fatalf("Grant: %v", err)
	}
	_, err := tenant.Check(t.Context(), &permissionsv1.CheckRequest{OrgId: string(tenant.Org), DoorId: door, PersonId: person})
	if !fault.Is(err, faultv1.Reason_REASON_DEPENDENCY_DOWN) {
		t.Fatalf("Check: %v", err)
	}
	proxy.Restore()
	out, err := tenant.Grant(t.Context(), grant)
	for tries := 0; fault.Is(err, faultv1.Reason_REASON_DEPENDENCY_DOWN) && tries < 20; tries++ {
		out, err = tenant.Grant(t.Context(), grant) // the pool finds its dead connections one by one
	}
	if err != nil {
		t.Fatal(err)
	}
	decision, err := tenant.Check(t.Context(), &permissionsv1.CheckRequest{OrgId: string(tenant.Org), DoorId: door, PersonId: person})
	if err != nil || decision.GetDecision().GetGrantId() != out.GetGrantId() {
		t.Fatalf("got %v, %v", decision, err)
	}
}

func TestWithoutItsBrokerWritesAreAcceptedAndToldLater(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	svc.Broker.SetDown(true)
	tenant := svc.Tenant(t, central)
	door, person := tenant.Door(t, tenant.Site(t, "UTC")), tenant.Person(t)
	grant := tenant.Let(t, person, door, "")
	wantDecision(t, tenant.May(t, person, door, time.Time{}), granted, grant, "")
	svc.Broker.SetDown(false)
	svc.Broker.WaitHead(t, central, tenant.Token)
	svc.Broker.WaitHead(t, west, tenant.Token)
	if n := len(svc.Broker.Events("grant_created")); n > 1 {
		t.Fatalf("%d events of one grant", n)
	}
}

func TestARepetitionAfterADayNamesWhatWasMade(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := time.Now()
	svc := permissionstest.StartWith(t, rpctest.New(t), central, permissionstest.Options{Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}})
	tenant := svc.Tenant(t, central)
	req := &permissionsv1.CreateGroupRequest{OrgId: string(tenant.Org), Region: "eu-central", Name: "One", IdempotencyKey: "key"}
	out, err := tenant.CreateGroup(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	now = now.Add(25 * time.Hour)
	mu.Unlock()
	_, err = tenant.CreateGroup(t.Context(), req)
	if !fault.Is(err, faultv1.Reason_REASON_IDEMPOTENCY_REPLAYED) {
		t.Fatalf("got %v", err)
	}
	if detail := detailOf(err); detail != out.GetGroupId() {
		t.Fatalf("detail %q, want %q", detail, out.GetGroupId())
	}
}

func detailOf(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Detail
	}
	return ""
}

// Two groups are put into each other at the same time: one of the two must lose.
func TestACircleCannotBeClosedByARace(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	for range 5 {
		a, b := tenant.Group(t), tenant.Group(t)
		errs := make([]error, 2)
		var both sync.WaitGroup
		for i, m := range [][2]string{{a, b}, {b, a}} {
			both.Go(func() {
				_, errs[i] = tenant.AddMember(t.Context(), &permissionsv1.AddMemberRequest{OrgId: string(tenant.Org), GroupId: m[0], MemberId: m[1]})
			})
		}
		both.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("both or none: %v", errs)
		}
		for _, err := range errs {
			if err != nil && !fault.Is(err, faultv1.Reason_REASON_CYCLE) {
				t.Fatal(err)
			}
		}
	}
}

func TestManyWritersOfOneOrganizationAllSucceed(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	group := tenant.Group(t)
	before := tenant.Token.GetVersion()
	var all sync.WaitGroup
	for range 16 {
		person := tenant.Person(t)
		all.Go(func() {
			_, err := tenant.AddMember(t.Context(), &permissionsv1.AddMemberRequest{OrgId: string(tenant.Org), GroupId: group, MemberId: person})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	tenant.Add(t, group, tenant.Person(t))
	if got := tenant.Token.GetVersion(); got <= before || got > before+17 {
		t.Fatalf("version %d after 17 writes from %d, of which some share a commit", got, before)
	}
}

// The database's clock is ahead of the service's: what was written is not in the future of the next question.
func TestAWriteIsSeenWithAClockThatIsBehind(t *testing.T) {
	t.Parallel()
	behind := permissionstest.Options{Now: func() time.Time { return time.Now().Add(-time.Minute) }}
	svc := permissionstest.StartWith(t, rpctest.New(t), central, behind)
	tenant := svc.Tenant(t, central)
	there := svc.TenantOf(tenant.Org, west)
	door, person := tenant.Door(t, tenant.Site(t, "UTC")), tenant.Person(t)
	group := there.Group(t)
	grant := tenant.Let(t, group, door, "")
	there.Add(t, group, person) // the latest commit is the neighbour region's
	wantDecision(t, tenant.May(t, person, door, time.Time{}), granted, grant, "")
	tenant.End(t, grant)
	wantDecision(t, tenant.May(t, person, door, time.Time{}), noGrant, "", "")
	ask := &permissionsv1.AccessAtRequest{OrgId: string(tenant.Org), DoorId: door, At: timestamppb.Now(), KnownAt: timestamppb.New(time.Now().Add(time.Minute))}
	if _, err := tenant.AccessAt(t.Context(), ask); !fault.Is(err, faultv1.Reason_REASON_CLOCK_NONSENSE) {
		t.Fatalf("got %v", err)
	}
}
