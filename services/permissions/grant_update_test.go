package permissions_test

import (
	"testing"
	"time"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// updateOf is the update of a grant that changes nothing.
func updateOf(g *permissionsv1.Grant) *permissionsv1.UpdateGrantRequest {
	return &permissionsv1.UpdateGrantRequest{
		OrgId: g.GetOrgId(), GrantId: g.GetId(), Etag: g.GetEtag(), ScheduleId: g.GetScheduleId(), ValidTo: g.GetValidTo(),
		MaxUses: g.GetMaxUses(), OverrideRank: g.GetOverrideRank(), ShareDepth: g.GetShareDepth(),
	}
}

func update(t *testing.T, tenant *permissionstest.Tenant, req *permissionsv1.UpdateGrantRequest) *permissionsv1.Grant {
	t.Helper()
	out, err := tenant.UpdateGrant(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	tenant.Token = out.GetToken()
	return out.GetGrant()
}

func TestAnUpdateHoldsFromNowOnAndThePastStaysAsItWas(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	site := tenant.Site(t, "UTC")
	door, person := tenant.Door(t, site), tenant.Person(t)
	never := tenant.Schedule(t, site, &permissionsv1.ScheduleSpec{})
	made := tenant.TheGrant(t, tenant.Let(t, person, door, ""))
	held := recordedAt(t, svc, tenant)

	change := updateOf(made)
	change.ScheduleId, change.MaxUses, change.OverrideRank, change.ShareDepth = never, 7, 3, 2
	now := update(t, tenant, change)
	changed := recordedAt(t, svc, tenant)
	want := proto.CloneOf(made)
	want.ScheduleId, want.MaxUses, want.OverrideRank, want.ShareDepth, want.Etag = never, 7, 3, 2, now.GetEtag()
	if !proto.Equal(now, want) || now.GetEtag() == made.GetEtag() || !proto.Equal(tenant.TheGrant(t, made.GetId()), want) {
		t.Fatalf("updated to %v\nwant %v", now, want)
	}
	wantDecision(t, tenant.May(t, person, door, changed.Add(time.Hour)), outside, made.GetId(), never)
	for _, c := range []struct {
		at, knownAt time.Time
		want        int
	}{{held, changed, 1}, {changed.Add(-time.Microsecond), changed, 1}, {changed, held, 1}, {changed, changed, 0}, {held, held, 1}} {
		got := everybody(t, tenant, &permissionsv1.AccessAtRequest{DoorId: door, At: timestamppb.New(c.at), KnownAt: timestamppb.New(c.knownAt)})
		if len(got) != c.want {
			t.Errorf("at %v, known at %v: %v, want %d", c.at, c.knownAt, got, c.want)
		}
	}

	// Revoked, it is none any more, neither as it is nor as it was.
	tenant.End(t, made.GetId())
	wantDecision(t, tenant.May(t, person, door, time.Time{}), noGrant, "", "")
	if got := tenant.TheGrant(t, made.GetId()); !got.GetRevoked() || !got.GetValidTo().AsTime().Equal(recordedAt(t, svc, tenant)) {
		t.Errorf("revoked: %v", got)
	}
	if _, err := tenant.UpdateGrant(t.Context(), updateOf(tenant.TheGrant(t, made.GetId()))); !fault.Is(err, faultv1.Reason_REASON_STATE_FORBIDS) {
		t.Errorf("update of a revoked grant: %v", err)
	}
	if got := everybody(t, tenant, &permissionsv1.AccessAtRequest{DoorId: door, At: timestamppb.New(held)}); len(got) != 1 {
		t.Errorf("before all changes, known now: %v", got)
	}
}

func TestAnEtagLetsOneOfTwoWritersThrough(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	made := tenant.TheGrant(t, tenant.Let(t, tenant.Person(t), tenant.Door(t, tenant.Site(t, "UTC")), ""))
	one, two := updateOf(made), updateOf(made)
	one.MaxUses, two.MaxUses = 1, 2
	errs := make(chan error, 2)
	for _, req := range []*permissionsv1.UpdateGrantRequest{one, two} {
		go func() {
			_, err := tenant.UpdateGrant(t.Context(), req)
			errs <- err
		}()
	}
	first, second := <-errs, <-errs
	if first == nil {
		first, second = second, first
	}
	if !fault.Is(first, faultv1.Reason_REASON_CONFLICT) || second != nil {
		t.Fatalf("two writers: %v and %v", first, second)
	}
}

// The answer of the first call was lost: the same call again, with the etag of before, is told what it did.
func TestARepeatedUpdateSucceedsAndChangesNothing(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	made := tenant.TheGrant(t, tenant.Let(t, tenant.Person(t), tenant.Door(t, tenant.Site(t, "UTC")), ""))
	req := updateOf(made)
	req.MaxUses, req.ValidFrom, req.ValidTo = 3, made.GetValidFrom(), timestamppb.New(time.Now().Add(time.Hour).Truncate(time.Microsecond))
	once := update(t, tenant, req)
	version := tenant.Token.GetVersion()
	if again := update(t, tenant, req); !proto.Equal(again, once) || tenant.Token.GetVersion() != version {
		t.Fatalf("first %v (%d)\nagain %v (%d)", once, version, again, tenant.Token.GetVersion())
	}
}

func TestTheBeginningOfAGrantIsMovedAsLongAsItHasNotBegun(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	door, person := tenant.Door(t, tenant.Site(t, "UTC")), tenant.Person(t)
	soon := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	made := tenant.TheGrant(t, tenant.LetFor(t, person, door, "", soon, time.Time{}))
	move := func(from time.Time) (*permissionsv1.Grant, error) {
		req := updateOf(tenant.TheGrant(t, made.GetId()))
		req.ValidFrom = timestamppb.New(from)
		out, err := tenant.UpdateGrant(t.Context(), req)
		if err == nil {
			tenant.Token = out.GetToken()
		}
		return out.GetGrant(), err
	}
	if _, err := move(soon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	wantDecision(t, tenant.May(t, person, door, soon.Add(time.Minute)), notYet, made.GetId(), "")
	past := recordedAt(t, svc, tenant)
	if _, err := move(past); err != nil { // it has never held: it is as if granted late
		t.Fatal(err)
	}
	wantDecision(t, tenant.May(t, person, door, past), granted, made.GetId(), "")
	if _, err := move(past.Add(-time.Hour)); !fault.Is(err, faultv1.Reason_REASON_CLOCK_NONSENSE) {
		t.Fatalf("a grant that has begun, moved into the past: %v", err)
	}

	// Moved into the future it holds until now, and from then on.
	if got, err := move(soon); err != nil || !got.GetValidFrom().AsTime().Equal(soon) {
		t.Fatal(got, err)
	}
	wantDecision(t, tenant.May(t, person, door, past), granted, made.GetId(), "")
	wantDecision(t, tenant.May(t, person, door, time.Time{}), notYet, made.GetId(), "")
	wantDecision(t, tenant.May(t, person, door, soon), granted, made.GetId(), "")
	if _, err := move(past); !fault.Is(err, faultv1.Reason_REASON_CLOCK_NONSENSE) {
		t.Fatalf("over what has held: %v", err)
	}
}

func TestAGrantThatRanOutIsExtendedFromNowOn(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	door, person := tenant.Door(t, tenant.Site(t, "UTC")), tenant.Person(t)
	end := time.Now().Add(300 * time.Millisecond)
	made := tenant.TheGrant(t, tenant.LetFor(t, person, door, "", time.Time{}, end))
	<-time.After(time.Until(end.Add(50 * time.Millisecond))) // the world's time must pass it
	req := updateOf(made)
	req.ValidTo = nil
	now := update(t, tenant, req)
	if !now.GetValidFrom().AsTime().After(end) {
		t.Errorf("it has held since %v without a gap, it says", now.GetValidFrom().AsTime())
	}
	wantDecision(t, tenant.May(t, person, door, end.Add(-time.Millisecond)), granted, made.GetId(), "")
	wantDecision(t, tenant.May(t, person, door, end.Add(time.Millisecond)), notYet, made.GetId(), "")
	wantDecision(t, tenant.May(t, person, door, time.Time{}), granted, made.GetId(), "")
}

func TestAGrantThatRanOutIsNotExtendedWithoutItsSchedule(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	site, person := tenant.Site(t, "UTC"), tenant.Person(t)
	door, schedule := tenant.Door(t, site), tenant.Schedule(t, site, officeHours())
	end := time.Now().Add(300 * time.Millisecond)
	made := tenant.TheGrant(t, tenant.LetFor(t, person, door, schedule, time.Time{}, end))
	<-time.After(time.Until(end.Add(50 * time.Millisecond))) // the world's time must pass it
	gone := &permissionsv1.DeleteScheduleRequest{OrgId: string(tenant.Org), ScheduleId: schedule, Etag: getSchedule(t, tenant, schedule).GetEtag()}
	if _, err := tenant.DeleteSchedule(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	req := updateOf(made)
	req.ValidTo = nil
	if _, err := tenant.UpdateGrant(t.Context(), req); !fault.Is(err, faultv1.Reason_REASON_NOT_FOUND) {
		t.Fatalf("it names a schedule that is not there: %v", err)
	}
	req.ScheduleId = ""
	update(t, tenant, req)
	wantDecision(t, tenant.May(t, person, door, time.Time{}), granted, made.GetId(), "")
}
