package permissions_test

import (
	"slices"
	"testing"
	"time"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// recordedAt is when the tenant's last write was recorded, which is also from when it holds.
func recordedAt(t *testing.T, svc *permissionstest.Service, tenant *permissionstest.Tenant) time.Time {
	t.Helper()
	var at time.Time
	err := svc.Database.DB.Pool().QueryRow(t.Context(), `SELECT recorded_at FROM org_heads WHERE region = $1 AND org = $2`,
		tenant.Token.GetRegion(), tenant.Org).Scan(&at)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// everybody asks AccessAt page by page, and returns the pairs as "person door".
func everybody(t *testing.T, tenant *permissionstest.Tenant, req *permissionsv1.AccessAtRequest) []string {
	t.Helper()
	var pairs []string
	req.OrgId = string(tenant.Org)
	for range 1000 {
		out, err := tenant.AccessAt(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range out.GetAccess() {
			if a.GetDecision().GetOutcome() != permissionsv1.Outcome_OUTCOME_GRANTED || a.GetDecision().GetGrantId() == "" {
				t.Fatalf("listed without a reason: %v", a)
			}
			pairs = append(pairs, a.GetPersonId()+" "+a.GetDoorId())
		}
		if req.PageToken = out.GetNextPageToken(); req.PageToken == "" {
			return pairs
		}
	}
	t.Fatal("the pages do not end")
	return nil
}

func TestThePastIsAnsweredInBothTimes(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	door, person := tenant.Door(t, tenant.Site(t, "UTC")), tenant.Person(t)
	group := tenant.Group(t, person)
	grant := tenant.Let(t, group, door, "")
	held := recordedAt(t, svc, tenant)
	tenant.End(t, grant)
	revoked := recordedAt(t, svc, tenant)

	pair := []string{person + " " + door}
	for _, c := range []struct {
		name        string
		at, knownAt time.Time
		want        []string
	}{
		{"while it held, known then", held, held, pair},
		{"while it held, known after the revocation", held, revoked, pair},
		{"after the revocation, known before it", revoked, held, pair},
		{"after the revocation, known then", revoked, revoked, nil},
		{"in the moment before, known now", revoked.Add(-time.Microsecond), time.Time{}, pair},
		{"before it was granted", held.Add(-time.Microsecond), revoked, nil},
		{"before it was known", held, held.Add(-time.Microsecond), nil},
		{"in the far future, known before the revocation", revoked.AddDate(10, 0, 0), held, pair},
		{"in the far future, known now", revoked.AddDate(10, 0, 0), time.Time{}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			byDoor := &permissionsv1.AccessAtRequest{DoorId: door, At: timestamppb.New(c.at)}
			byPerson := &permissionsv1.AccessAtRequest{PersonId: person, Region: "eu-central", At: timestamppb.New(c.at)}
			if !c.knownAt.IsZero() {
				byDoor.KnownAt, byPerson.KnownAt = timestamppb.New(c.knownAt), timestamppb.New(c.knownAt)
			}
			if got := everybody(t, tenant, byDoor); !slices.Equal(got, c.want) {
				t.Errorf("by door: %v, want %v", got, c.want)
			}
			if got := everybody(t, tenant, byPerson); !slices.Equal(got, c.want) {
				t.Errorf("by person: %v, want %v", got, c.want)
			}
		})
	}
}

func TestAMembershipsPastIsAnsweredInBothTimes(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	door, person := tenant.Door(t, tenant.Site(t, "UTC")), tenant.Person(t)
	group := tenant.Group(t)
	tenant.Let(t, group, door, "")
	tenant.Add(t, group, person)
	in := recordedAt(t, svc, tenant)
	tenant.Take(t, group, person)
	out := recordedAt(t, svc, tenant)
	tenant.Add(t, group, person)
	back := recordedAt(t, svc, tenant)
	for _, c := range []struct {
		at, knownAt time.Time
		want        int
	}{
		{in, in, 1}, {in, out, 1}, {out, in, 1}, {out, out, 0}, {out, back, 0}, {in, back, 1}, {back, back, 1}, {back, out, 0}, {back, in, 1},
	} {
		got := everybody(t, tenant, &permissionsv1.AccessAtRequest{DoorId: door, At: timestamppb.New(c.at), KnownAt: timestamppb.New(c.knownAt)})
		if len(got) != c.want {
			t.Errorf("at %v known at %v: %v, want %d", c.at, c.knownAt, got, c.want)
		}
	}
}

func TestPagesAreCompleteAndOfOneState(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	site := tenant.Site(t, "UTC")
	door := tenant.Door(t, site)
	never := tenant.Schedule(t, site, &permissionsv1.ScheduleSpec{})
	group := tenant.Group(t)
	tenant.Let(t, group, door, "")
	var want []string
	for i := range 23 {
		person := tenant.Person(t)
		switch i % 4 {
		case 0:
			tenant.Let(t, person, door, never) // a candidate who may not
			continue
		case 1:
			tenant.Let(t, person, door, "") // directly and, below, by the group: once in the answer
		}
		tenant.Add(t, group, person)
		want = append(want, person+" "+door)
	}
	slices.Sort(want)
	ask := &permissionsv1.AccessAtRequest{
		OrgId: string(tenant.Org), DoorId: door, At: timestamppb.New(time.Now().Add(time.Minute)), PageSize: 5,
	}
	first, err := tenant.AccessAt(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	if len(first.GetAccess()) != 5 || first.GetNextPageToken() == "" || first.GetHead().GetVersion() != tenant.Token.GetVersion() {
		t.Fatalf("first page: %d entries, next %q, head %v", len(first.GetAccess()), first.GetNextPageToken(), first.GetHead())
	}
	tenant.Add(t, group, tenant.Person(t)) // later than the first page: not in the answer
	var got []string
	for _, a := range first.GetAccess() {
		got = append(got, a.GetPersonId()+" "+a.GetDoorId())
	}
	ask.PageToken = first.GetNextPageToken()
	got = append(got, everybody(t, tenant, ask)...)
	if !slices.Equal(got, want) {
		t.Fatalf("pages list\n%v\nwant\n%v", got, want)
	}
	for _, size := range []int32{1, 2, 7, 1000} {
		all := everybody(t, tenant, &permissionsv1.AccessAtRequest{DoorId: door, At: ask.GetAt(), PageSize: size})
		if len(all) != len(want)+1 {
			t.Errorf("page size %d: %d entries, want %d", size, len(all), len(want)+1)
		}
	}
}

func TestThePersonsDoorsAreListedCompletely(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	site, person := tenant.Site(t, "UTC"), tenant.Person(t)
	var want []string
	for i := range 9 {
		door := tenant.Door(t, site)
		switch i % 3 {
		case 0:
			tenant.Let(t, person, door, "")
		case 1:
			tenant.Let(t, tenant.Group(t, tenant.Group(t, person)), tenant.Zone(t, door), "")
		case 2:
			continue
		}
		want = append(want, person+" "+door)
	}
	got := everybody(t, tenant, &permissionsv1.AccessAtRequest{
		PersonId: person, Region: "eu-central", At: timestamppb.New(time.Now().Add(time.Minute)), PageSize: 2,
	})
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Fatalf("got\n%v\nwant\n%v", got, want)
	}
}

func TestQuestionsAboutThePastThatCannotBeMeantAreRefused(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	door, other := tenant.Door(t, tenant.Site(t, "UTC")), tenant.Door(t, tenant.Site(t, "UTC"))
	group := tenant.Group(t, tenant.Person(t), tenant.Person(t))
	tenant.Let(t, group, door, "")
	tenant.Let(t, group, other, "")
	now := timestamppb.New(time.Now().Add(time.Minute))
	page, err := tenant.AccessAt(t.Context(), &permissionsv1.AccessAtRequest{OrgId: string(tenant.Org), DoorId: door, At: now, PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	person := tenant.Person(t)
	for _, c := range []struct {
		name string
		req  *permissionsv1.AccessAtRequest
		want faultv1.Reason
	}{
		{"known in the future", &permissionsv1.AccessAtRequest{DoorId: door, At: now, KnownAt: timestamppb.New(time.Now().Add(time.Hour))}, faultv1.Reason_REASON_CLOCK_NONSENSE},
		{"a time that is none", &permissionsv1.AccessAtRequest{DoorId: door, At: &timestamppb.Timestamp{Seconds: 1 << 60}}, faultv1.Reason_REASON_CLOCK_NONSENSE},
		{"neither door nor person", &permissionsv1.AccessAtRequest{Region: "eu-central", At: now}, faultv1.Reason_REASON_INVALID_FIELD},
		{"both", &permissionsv1.AccessAtRequest{DoorId: door, PersonId: person, At: now}, faultv1.Reason_REASON_INVALID_FIELD},
		{"a door and a region", &permissionsv1.AccessAtRequest{DoorId: door, Region: "eu-central", At: now}, faultv1.Reason_REASON_INVALID_FIELD},
		{"garbage for a page", &permissionsv1.AccessAtRequest{DoorId: door, At: now, PageToken: "garbage"}, faultv1.Reason_REASON_INVALID_FIELD},
		{"a page of another question", &permissionsv1.AccessAtRequest{DoorId: other, At: now, PageToken: page.GetNextPageToken()}, faultv1.Reason_REASON_INVALID_FIELD},
		{"no moment", &permissionsv1.AccessAtRequest{DoorId: door}, faultv1.Reason_REASON_INVALID_FIELD},
		{"pages too large", &permissionsv1.AccessAtRequest{DoorId: door, At: now, PageSize: 1001}, faultv1.Reason_REASON_INVALID_FIELD},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.req.OrgId = string(tenant.Org)
			if _, err := tenant.AccessAt(t.Context(), c.req); !fault.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
		})
	}
}
