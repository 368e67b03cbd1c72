package permissions_test

import (
	"slices"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"pgregory.net/rapid"
)

// smallWorld is few things that are changed at random, by every kind of write that can change an answer.
type smallWorld struct {
	*permissionstest.Tenant
	began                                                               time.Time
	doors, zones, groups, people, schedules, lets, lockdowns, calendars []string
}

func newSmallWorld(t *testing.T, svc *permissionstest.Service) *smallWorld {
	w := &smallWorld{Tenant: svc.Tenant(t, central), began: time.Now()}
	site := w.Site(t, "UTC")
	for range 3 {
		w.doors, w.people, w.groups = append(w.doors, w.Door(t, site)), append(w.people, w.Person(t)), append(w.groups, w.Group(t))
	}
	w.zones = []string{w.Zone(t, w.doors[0], w.doors[1]), w.Zone(t, w.doors[2])}
	made, err := w.CreateHolidayCalendar(t.Context(), &permissionsv1.CreateHolidayCalendarRequest{
		OrgId: string(w.Org), Region: string(w.Home), Name: "Calendar", IdempotencyKey: w.Once(),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Token, w.calendars = made.GetToken(), []string{made.GetCalendarId()}
	w.schedules = []string{"", w.Schedule(t, site, always(w.calendars...))}
	return w
}

// always but on the dates of calendars.
func always(calendars ...string) *permissionsv1.ScheduleSpec {
	spec := &permissionsv1.ScheduleSpec{HolidayCalendarIds: calendars}
	for day := range int32(7) {
		spec.Weekly = append(spec.Weekly, &permissionsv1.WeeklyInterval{Weekday: day + 1, EndMinute: 1440})
	}
	return spec
}

// choices are rapid's, and a moment for late facts: unset, or some time since the world began.
type choices struct{ *rapid.T }

func (d choices) of(from []string) string { return rapid.SampledFrom(from).Draw(d.T, "one") }

func (d choices) some(from []string) []string {
	return slices.DeleteFunc(slices.Clone(from), func(string) bool { return rapid.Bool().Draw(d.T, "left out") })
}

func (d choices) since(began time.Time) *timestamppb.Timestamp {
	if rapid.Bool().Draw(d.T, "now") {
		return nil
	}
	return timestamppb.New(began.Add(time.Duration(rapid.Int64Range(-1000, int64(time.Since(began)/time.Millisecond)).Draw(d.T, "since")) * time.Millisecond))
}

// noted takes the token of a write. A refusal is no failure: the write was not possible as things are.
func (w *smallWorld) noted(t *testing.T, out interface {
	GetToken() *typev1.ConsistencyToken
}, err error) bool {
	t.Helper()
	switch connect.CodeOf(err) {
	case connect.CodeFailedPrecondition, connect.CodeNotFound, connect.CodeInvalidArgument:
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	w.Token = out.GetToken()
	return true
}

func (w *smallWorld) change(t *testing.T, rt *rapid.T) {
	d, org := choices{rt}, string(w.Org)
	switch rapid.IntRange(0, 13).Draw(rt, "what") {
	case 0, 1:
		out, err := w.AddMember(t.Context(), &permissionsv1.AddMemberRequest{
			OrgId: org, GroupId: d.of(w.groups), MemberId: d.of(append(slices.Clone(w.people), w.groups...)), EffectiveAt: d.since(w.began),
		})
		w.noted(t, out, err)
	case 2:
		out, err := w.RemoveMember(t.Context(), &permissionsv1.RemoveMemberRequest{
			OrgId: org, GroupId: d.of(w.groups), MemberId: d.of(w.people), EffectiveAt: d.since(w.began),
		})
		w.noted(t, out, err)
	case 3, 4:
		targets, subjects := append(slices.Clone(w.doors), w.zones...), append(slices.Clone(w.people), w.groups...)
		out, err := w.Grant(t.Context(), &permissionsv1.GrantRequest{
			OrgId: org, SubjectId: d.of(subjects), TargetId: d.of(targets), ScheduleId: d.of(w.schedules), ShareDepth: 2,
			OverrideRank: int32(rapid.IntRange(0, 9).Draw(rt, "rank")), IdempotencyKey: w.Once(),
		})
		if w.noted(t, out, err) {
			w.lets = append(w.lets, out.GetGrantId())
		}
	case 5, 6, 7:
		w.changeGrant(t, d)
	case 8, 9:
		w.changeZone(t, d)
	case 10:
		out, err := w.EndAccess(t.Context(), &permissionsv1.EndAccessRequest{OrgId: org, Region: string(w.Home), PersonId: d.of(w.people)})
		w.noted(t, out, err)
	case 11:
		if len(w.lockdowns) > 0 && rapid.Bool().Draw(rt, "end") {
			out, err := w.EndLockdown(t.Context(), &permissionsv1.EndLockdownRequest{OrgId: org, LockdownId: d.of(w.lockdowns)})
			w.noted(t, out, err)
			return
		}
		out, err := w.StartLockdown(t.Context(), &permissionsv1.StartLockdownRequest{
			OrgId: org, TargetId: d.of(append(slices.Clone(w.doors), w.zones...)), Rank: int32(rapid.IntRange(1, 10).Draw(rt, "rank")),
			Duration: durationpb.New(time.Hour), IdempotencyKey: w.Once(),
		})
		if w.noted(t, out, err) {
			w.lockdowns = append(w.lockdowns, out.GetLockdownId())
		}
	default:
		w.changeTimes(t, d)
	}
}

func (w *smallWorld) changeGrant(t *testing.T, d choices) {
	if len(w.lets) == 0 {
		return
	}
	org, grant := string(w.Org), d.of(w.lets)
	switch rapid.IntRange(0, 2).Draw(d.T, "how") {
	case 0:
		out, err := w.Revoke(t.Context(), &permissionsv1.RevokeRequest{OrgId: org, GrantId: grant, EffectiveAt: d.since(w.began)})
		w.noted(t, out, err)
	case 1:
		is, err := w.GetGrant(t.Context(), &permissionsv1.GetGrantRequest{OrgId: org, GrantId: grant})
		if err != nil {
			t.Fatal(err)
		}
		out, err := w.UpdateGrant(t.Context(), &permissionsv1.UpdateGrantRequest{
			OrgId: org, GrantId: grant, Etag: is.GetEtag(), ScheduleId: d.of(w.schedules), ShareDepth: is.GetShareDepth(), OverrideRank: is.GetOverrideRank(),
		})
		w.noted(t, out, err)
	case 2:
		is, err := w.GetGrant(t.Context(), &permissionsv1.GetGrantRequest{OrgId: org, GrantId: grant})
		if err != nil {
			t.Fatal(err)
		}
		out, err := w.ShareGrant(t.Context(), &permissionsv1.ShareGrantRequest{
			OrgId: org, GrantId: grant, SharerId: d.of(w.people), RecipientId: d.of(w.people), TargetId: is.GetTargetId(), IdempotencyKey: w.Once(),
		})
		if w.noted(t, out, err) {
			w.lets = append(w.lets, out.GetGrantId())
		}
	}
}

func (w *smallWorld) changeZone(t *testing.T, d choices) {
	zone := d.of(w.zones)
	is, err := w.GetZone(t.Context(), &permissionsv1.GetZoneRequest{OrgId: string(w.Org), ZoneId: zone})
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.UpdateZone(t.Context(), &permissionsv1.UpdateZoneRequest{
		OrgId: string(w.Org), ZoneId: zone, Etag: is.GetEtag(), Name: "Zone", DoorIds: d.some(w.doors), ZoneIds: d.some(w.zones), EffectiveAt: d.since(w.began),
	})
	w.noted(t, out, err)
}

func (w *smallWorld) changeTimes(t *testing.T, d choices) {
	if rapid.Bool().Draw(d.T, "calendar") {
		var holidays []*permissionsv1.Holiday
		for day := -1; rapid.Bool().Draw(d.T, "holiday") && day <= 1; day++ {
			holidays = append(holidays, &permissionsv1.Holiday{Date: time.Now().UTC().AddDate(0, 0, day).Format(time.DateOnly)})
		}
		is, err := w.GetHolidayCalendar(t.Context(), &permissionsv1.GetHolidayCalendarRequest{OrgId: string(w.Org), CalendarId: w.calendars[0]})
		if err != nil {
			t.Fatal(err)
		}
		out, err := w.UpdateHolidayCalendar(t.Context(), &permissionsv1.UpdateHolidayCalendarRequest{
			OrgId: string(w.Org), CalendarId: w.calendars[0], Etag: is.GetEtag(), Name: "Calendar", Holidays: holidays, EffectiveAt: d.since(w.began),
		})
		w.noted(t, out, err)
		return
	}
	spec := always(d.some(w.calendars)...)
	if rapid.Bool().Draw(d.T, "never") {
		spec.Weekly = nil
	}
	is, err := w.GetSchedule(t.Context(), &permissionsv1.GetScheduleRequest{OrgId: string(w.Org), ScheduleId: w.schedules[1]})
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.UpdateSchedule(t.Context(), &permissionsv1.UpdateScheduleRequest{
		OrgId: string(w.Org), ScheduleId: w.schedules[1], Etag: is.GetEtag(), Name: "Schedule", Spec: spec, EffectiveAt: d.since(w.began),
	})
	w.noted(t, out, err)
}
