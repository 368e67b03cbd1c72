package permissions_test

import (
	"slices"
	"testing"
	"time"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// building is a person who may open a door through everything that there is: a group, zones in zones, a schedule that
// observes a calendar.
type building struct {
	*permissionstest.Tenant
	site, door, inner, outer, schedule, calendar, group, person string
}

var allWeek = []*permissionsv1.WeeklyInterval{
	{Weekday: 1, EndMinute: 1440}, {Weekday: 2, EndMinute: 1440}, {Weekday: 3, EndMinute: 1440}, {Weekday: 4, EndMinute: 1440},
	{Weekday: 5, EndMinute: 1440}, {Weekday: 6, EndMinute: 1440}, {Weekday: 7, EndMinute: 1440},
}

func newBuilding(t *testing.T, svc *permissionstest.Service) *building {
	b := &building{Tenant: svc.Tenant(t, central)}
	b.site = b.Site(t, "UTC")
	b.door = b.Door(t, b.site)
	b.inner = b.Zone(t, b.door)
	b.outer = b.ZoneOf(t, nil, []string{b.inner})
	b.calendar = b.Calendar(t, "1999-12-31")
	b.schedule = b.Schedule(t, b.site, &permissionsv1.ScheduleSpec{Weekly: allWeek, HolidayCalendarIds: []string{b.calendar}})
	b.person = b.Person(t)
	b.group = b.Group(t, b.person)
	b.Let(t, b.group, b.outer, b.schedule)
	return b
}

// lists says whether AccessAt lists the person at the door, asked both ways.
func (b *building) lists(t *testing.T, at, knownAt time.Time) bool {
	t.Helper()
	byDoor := &permissionsv1.AccessAtRequest{DoorId: b.door, At: timestamppb.New(at)}
	byPerson := &permissionsv1.AccessAtRequest{PersonId: b.person, Region: "eu-central", At: timestamppb.New(at)}
	if !knownAt.IsZero() {
		byDoor.KnownAt, byPerson.KnownAt = timestamppb.New(knownAt), timestamppb.New(knownAt)
	}
	pair := b.person + " " + b.door
	one, other := slices.Contains(everybody(t, b.Tenant, byDoor), pair), slices.Contains(everybody(t, b.Tenant, byPerson), pair)
	if one != other {
		t.Errorf("at %v, known at %v: by door %v, by person %v", at, knownAt, one, other)
	}
	return one
}

// What ended somebody's access leaves the past as it held, and as it was known.
func TestThePastSurvivesEveryChange(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	for name, change := range map[string]func(*testing.T, *building) (*typev1.ConsistencyToken, error){
		"the door leaves the zone": func(t *testing.T, b *building) (*typev1.ConsistencyToken, error) {
			zone, err := b.GetZone(t.Context(), &permissionsv1.GetZoneRequest{OrgId: string(b.Org), ZoneId: b.inner})
			noError(t, err)
			out, err := b.UpdateZone(t.Context(), &permissionsv1.UpdateZoneRequest{OrgId: string(b.Org), ZoneId: b.inner, Etag: zone.GetEtag(), Name: "Empty"})
			return out.GetToken(), err
		},
		"the zone leaves the zone around it": func(t *testing.T, b *building) (*typev1.ConsistencyToken, error) {
			zone, err := b.GetZone(t.Context(), &permissionsv1.GetZoneRequest{OrgId: string(b.Org), ZoneId: b.outer})
			noError(t, err)
			out, err := b.UpdateZone(t.Context(), &permissionsv1.UpdateZoneRequest{OrgId: string(b.Org), ZoneId: b.outer, Etag: zone.GetEtag(), Name: "Empty"})
			return out.GetToken(), err
		},
		"the schedule changes": func(t *testing.T, b *building) (*typev1.ConsistencyToken, error) {
			schedule, err := b.GetSchedule(t.Context(), &permissionsv1.GetScheduleRequest{OrgId: string(b.Org), ScheduleId: b.schedule})
			noError(t, err)
			out, err := b.UpdateSchedule(t.Context(), &permissionsv1.UpdateScheduleRequest{
				OrgId: string(b.Org), ScheduleId: b.schedule, Etag: schedule.GetEtag(), Name: "Never", Spec: &permissionsv1.ScheduleSpec{},
			})
			return out.GetToken(), err
		},
		"today becomes a holiday": func(t *testing.T, b *building) (*typev1.ConsistencyToken, error) {
			calendar, err := b.GetHolidayCalendar(t.Context(), &permissionsv1.GetHolidayCalendarRequest{OrgId: string(b.Org), CalendarId: b.calendar})
			noError(t, err)
			req := &permissionsv1.UpdateHolidayCalendarRequest{OrgId: string(b.Org), CalendarId: b.calendar, Etag: calendar.GetEtag(), Name: "Today"}
			for day := -1; day <= 1; day++ { // midnight may pass meanwhile
				req.Holidays = append(req.Holidays, &permissionsv1.Holiday{Date: time.Now().UTC().AddDate(0, 0, day).Format(time.DateOnly)})
			}
			out, err := b.UpdateHolidayCalendar(t.Context(), req)
			return out.GetToken(), err
		},
		"a lockdown of the site": func(t *testing.T, b *building) (*typev1.ConsistencyToken, error) {
			b.LockDown(t, b.site, 5)
			return b.Token, nil
		},
		"a lockdown of the zone around": func(t *testing.T, b *building) (*typev1.ConsistencyToken, error) {
			b.LockDown(t, b.outer, 5)
			return b.Token, nil
		},
		"the person leaves the group": func(t *testing.T, b *building) (*typev1.ConsistencyToken, error) {
			b.Take(t, b.group, b.person)
			return b.Token, nil
		},
		"the door is deleted": func(t *testing.T, b *building) (*typev1.ConsistencyToken, error) {
			door, err := b.GetDoor(t.Context(), &permissionsv1.GetDoorRequest{OrgId: string(b.Org), DoorId: b.door})
			noError(t, err)
			out, err := b.DeleteDoor(t.Context(), &permissionsv1.DeleteDoorRequest{OrgId: string(b.Org), DoorId: b.door, Etag: door.GetEtag()})
			return out.GetToken(), err
		},
		"the group is deleted": func(t *testing.T, b *building) (*typev1.ConsistencyToken, error) {
			group := b.TheGroup(t, b.group)
			out, err := b.DeleteGroup(t.Context(), &permissionsv1.DeleteGroupRequest{OrgId: string(b.Org), GroupId: b.group, Etag: group.GetEtag()})
			return out.GetToken(), err
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBuilding(t, svc)
			before := recordedAt(t, svc, b.Tenant)
			if !b.lists(t, before, time.Time{}) {
				t.Fatal("not listed before the change: this proves nothing")
			}
			token, err := change(t, b)
			noError(t, err)
			b.Token = token
			after := recordedAt(t, svc, b.Tenant)
			for _, c := range []struct {
				at, knownAt time.Time
				want        bool
			}{{before, before, true}, {before, after, true}, {before, time.Time{}, true}, {after, before, true}, {after, after, false}, {after, time.Time{}, false}, {after.Add(-time.Microsecond), after, true}} {
				if got := b.lists(t, c.at, c.knownAt); got != c.want {
					t.Errorf("at %v, known at %v: %v, want %v", c.at, c.knownAt, got, c.want)
				}
			}
		})
	}
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAShareOfThePastEndsWithWhatItWasSharedFrom(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	b := newBuilding(t, svc)
	parent := b.LetShare(t, b.group, b.door, 1)
	sharer := b.person
	b.person = b.Person(t)
	b.Share(t, parent, sharer, b.person, 0)
	shared := recordedAt(t, svc, b.Tenant)
	b.Take(t, b.group, sharer) // the sharer holds it no more; the share has its row all the same
	left := recordedAt(t, svc, b.Tenant)
	if !b.lists(t, shared, time.Time{}) || !b.lists(t, left, shared) || b.lists(t, left, left) || b.lists(t, left, time.Time{}) {
		t.Error("a share holds while its parent holds for the sharer, and as it was known")
	}
}

func TestADoorThatNeverWasIsNotFoundAndFreshnessIsAskedFor(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	b, stranger := newBuilding(t, svc), svc.Tenant(t, central)
	now := timestamppb.New(time.Now().Add(time.Minute))
	never := string(region.NewID(region.Door, "euc"))
	ahead := proto.CloneOf(b.Token)
	ahead.Version += 5
	for name, c := range map[string]struct {
		by   *permissionstest.Tenant
		req  *permissionsv1.AccessAtRequest
		want faultv1.Reason
	}{
		"never there":            {b.Tenant, &permissionsv1.AccessAtRequest{DoorId: never}, faultv1.Reason_REASON_NOT_FOUND},
		"another organization's": {stranger, &permissionsv1.AccessAtRequest{DoorId: b.door}, faultv1.Reason_REASON_NOT_FOUND},
		"ahead of the head":      {b.Tenant, &permissionsv1.AccessAtRequest{DoorId: b.door, AtLeast: []*typev1.ConsistencyToken{ahead}}, faultv1.Reason_REASON_NOT_FRESH_ENOUGH},
		"fresh and as known then": {b.Tenant, &permissionsv1.AccessAtRequest{
			DoorId: b.door, AtLeast: b.Latest(), KnownAt: timestamppb.New(recordedAt(t, svc, b.Tenant)),
		}, faultv1.Reason_REASON_INVALID_FIELD},
	} {
		c.req.OrgId, c.req.At = string(c.by.Org), now
		if _, err := c.by.AccessAt(t.Context(), c.req); !fault.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestAPersonWithSeveralGrantsFillsNoPage(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	door := tenant.Door(t, tenant.Site(t, "UTC"))
	for range 3 {
		person := tenant.Person(t)
		for range 4 {
			tenant.Let(t, person, door, "")
		}
	}
	got := everybody(t, tenant, &permissionsv1.AccessAtRequest{DoorId: door, At: timestamppb.New(time.Now().Add(time.Minute)), PageSize: 2})
	if len(got) != 3 {
		t.Errorf("%d people, want 3", len(got))
	}
}

func TestExplainNamesTheWayAndEveryGrant(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	b := newBuilding(t, svc)
	b.LockDown(t, b.outer, 5)
	later := b.LetFor(t, b.person, b.door, "", time.Now().Add(time.Hour), time.Time{})
	out, err := b.Explain(t.Context(), &permissionsv1.ExplainRequest{OrgId: string(b.Org), DoorId: b.door, PersonId: b.person, AtLeast: b.Latest()})
	noError(t, err)
	if out.GetDecision().GetReason() != permissionsv1.DecisionReason_DECISION_REASON_LOCKDOWN || len(out.GetLockdownIds()) != 1 {
		t.Errorf("decision %v, lockdowns %v", out.GetDecision(), out.GetLockdownIds())
	}
	via := func(all []*permissionsv1.Via) (ways []string) {
		for _, v := range all {
			ways = append(ways, v.GetFrom()+">"+v.GetId())
		}
		return ways
	}
	if got, want := via(out.GetSubjects()), []string{">" + b.person, b.person + ">" + b.group}; !slices.Equal(got, want) {
		t.Errorf("subjects %v, want %v", got, want)
	}
	if got, want := via(out.GetTargets()), []string{">" + b.door, b.door + ">" + b.inner, b.inner + ">" + b.outer}; !slices.Equal(got, want) {
		t.Errorf("targets %v, want %v", got, want)
	}
	reasons := map[string]permissionsv1.DecisionReason{}
	for _, c := range out.GetConsidered() {
		reasons[c.GetGrantId()] = c.GetReason()
	}
	if len(reasons) != 2 || reasons[later] != permissionsv1.DecisionReason_DECISION_REASON_NOT_YET_VALID || out.GetConsideredCut() {
		t.Errorf("considered %v", out.GetConsidered())
	}
	if _, err := b.Explain(t.Context(), &permissionsv1.ExplainRequest{OrgId: string(b.Org), DoorId: string(region.NewID(region.Door, "euc")), PersonId: b.person}); !fault.Is(err, faultv1.Reason_REASON_NOT_FOUND) {
		t.Errorf("a door that is not there: %v", err)
	}
}
