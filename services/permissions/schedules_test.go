package permissions_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func getCalendar(t *testing.T, n *permissionstest.Tenant, id string) *permissionsv1.HolidayCalendar {
	t.Helper()
	got, err := n.GetHolidayCalendar(t.Context(), &permissionsv1.GetHolidayCalendarRequest{OrgId: string(n.Org), CalendarId: id, AtLeast: n.Latest()})
	return must(t, got, err)
}

func TestTheLifeOfASchedule(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	ctx, org := t.Context(), string(tenant.Org)
	site := tenant.Site(t, "UTC")
	door, person := tenant.Door(t, site), tenant.Person(t)
	calendar := tenant.Calendar(t, "2027-12-25")
	id, other := tenant.Schedule(t, site, officeHours()), tenant.Schedule(t, site, officeHours())
	first := getSchedule(t, tenant, id)
	spec := officeHours()
	spec.HolidayCalendarIds = []string{calendar}
	spec.OnHolidays = []*permissionsv1.WeeklyInterval{{Weekday: 1, StartMinute: 600, EndMinute: 720}}
	spec.Exceptions = []*permissionsv1.DatedException{{Date: "2027-12-24", EveryYear: true}}
	update := &permissionsv1.UpdateScheduleRequest{OrgId: org, ScheduleId: id, Etag: first.GetEtag(), Name: "Winter", Spec: spec}
	done, err := tenant.UpdateSchedule(ctx, update)
	tenant.Token = must(t, done, err).GetToken()
	got := getSchedule(t, tenant, id)
	if !proto.Equal(got, done.GetSchedule()) || got.GetName() != "Winter" || !proto.Equal(got.GetSpec(), spec) {
		t.Fatalf("read %v\nthe update said %v", got, done.GetSchedule())
	}
	again, err := tenant.UpdateSchedule(ctx, update)
	if must(t, again, err); !proto.Equal(again, done) {
		t.Fatalf("the repetition answers %v, the first %v", again, done)
	}
	svc.Broker.WaitHead(t, west, tenant.Token)
	state := read(t, svc, west, org+".site."+site+".schedule."+id, &permissionsv1.ScheduleState{})
	if !proto.Equal(state.GetSpec(), spec) || len(state.GetHolidays()) != 1 || state.GetHolidays()[0].GetDate() != "2027-12-25" {
		t.Fatalf("the gateways' schedule: %v", state)
	}
	listed, err := tenant.ListSchedules(ctx, &permissionsv1.ListSchedulesRequest{OrgId: org, SiteId: site})
	var ids []string
	for _, s := range must(t, listed, err).GetSchedules() {
		ids = append(ids, s.GetId())
	}
	wantIDs(t, ids, id, other)

	// A grant and a door's rules keep it, and are named.
	remove := &permissionsv1.DeleteScheduleRequest{OrgId: org, ScheduleId: id, Etag: got.GetEtag()}
	grant := tenant.Let(t, person, door, id)
	_, err = tenant.DeleteSchedule(ctx, remove)
	wantReason(t, err, faultv1.Reason_REASON_STATE_FORBIDS)
	if !strings.Contains(err.Error(), grant) {
		t.Errorf("who keeps it is not in %q", err)
	}
	tenant.End(t, grant)
	ruled, err := tenant.UpdateDoor(ctx, &permissionsv1.UpdateDoorRequest{
		OrgId: org, DoorId: door, Etag: getDoor(t, tenant, door).GetEtag(), Name: "Door", Rules: &permissionsv1.DoorRules{AutoUnlockScheduleId: id},
	})
	tenant.Token = must(t, ruled, err).GetToken()
	_, err = tenant.DeleteSchedule(ctx, remove)
	wantReason(t, err, faultv1.Reason_REASON_STATE_FORBIDS)
	if !strings.Contains(err.Error(), door) {
		t.Errorf("who keeps it is not in %q", err)
	}
	ruled, err = tenant.UpdateDoor(ctx, &permissionsv1.UpdateDoorRequest{OrgId: org, DoorId: door, Etag: ruled.GetDoor().GetEtag(), Name: "Door"})
	must(t, ruled, err)
	gone, err := tenant.DeleteSchedule(ctx, remove)
	must(t, gone, err)
	if twice, err := tenant.DeleteSchedule(ctx, remove); must(t, twice, err).GetToken().GetVersion() != gone.GetToken().GetVersion() {
		t.Errorf("deleted at %v, and again at %v", gone, twice)
	}
	svc.Broker.WaitHead(t, west, gone.GetToken())
	if record := svc.Broker.Record(west, org+".site."+site+".schedule."+id); !record.GetRemoved() {
		t.Errorf("its fact is still %v", record)
	}
}

func TestTheLifeOfAHolidayCalendar(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	ctx, org := t.Context(), string(tenant.Org)
	site := tenant.Site(t, "UTC")
	id, other := tenant.Calendar(t, "2027-12-25"), tenant.Calendar(t, "2027-08-15", "2027-12-25")
	spec := officeHours()
	spec.HolidayCalendarIds = []string{id, other}
	schedule := tenant.Schedule(t, site, spec)
	update := &permissionsv1.UpdateHolidayCalendarRequest{
		OrgId: org, CalendarId: id, Etag: getCalendar(t, tenant, id).GetEtag(), Name: "Madrid",
		Holidays: []*permissionsv1.Holiday{{Date: "2027-05-02", Name: "Día de la Comunidad"}, {Date: "2027-01-01", EveryYear: true}},
	}
	done, err := tenant.UpdateHolidayCalendar(ctx, update)
	tenant.Token = must(t, done, err).GetToken()
	got := getCalendar(t, tenant, id)
	if !proto.Equal(got, done.GetCalendar()) || got.GetName() != "Madrid" || len(got.GetHolidays()) != 2 || !proto.Equal(got.GetHolidays()[0], update.GetHolidays()[0]) {
		t.Fatalf("read %v, the update said %v", got, done.GetCalendar())
	}
	again, err := tenant.UpdateHolidayCalendar(ctx, update)
	if must(t, again, err); !proto.Equal(again, done) {
		t.Fatalf("the repetition answers %v, the first %v", again, done)
	}
	svc.Broker.WaitHead(t, west, tenant.Token)
	var dates []string
	for _, h := range read(t, svc, west, org+".site."+site+".schedule."+schedule, &permissionsv1.ScheduleState{}).GetHolidays() {
		dates = append(dates, h.GetDate())
	}
	wantSame(t, dates, []string{"2027-01-01", "2027-05-02", "2027-08-15", "2027-12-25"})
	listed, err := tenant.ListHolidayCalendars(ctx, &permissionsv1.ListHolidayCalendarsRequest{OrgId: org, Region: "eu-central"})
	var ids []string
	for _, k := range must(t, listed, err).GetCalendars() {
		ids = append(ids, k.GetId())
	}
	wantIDs(t, ids, id, other)

	remove := &permissionsv1.DeleteHolidayCalendarRequest{OrgId: org, CalendarId: id, Etag: got.GetEtag()}
	_, err = tenant.DeleteHolidayCalendar(ctx, remove)
	wantReason(t, err, faultv1.Reason_REASON_STATE_FORBIDS)
	spec.HolidayCalendarIds = []string{other}
	changed, err := tenant.UpdateSchedule(ctx, &permissionsv1.UpdateScheduleRequest{
		OrgId: org, ScheduleId: schedule, Etag: getSchedule(t, tenant, schedule).GetEtag(), Name: "Schedule", Spec: spec,
	})
	must(t, changed, err)
	gone, err := tenant.DeleteHolidayCalendar(ctx, remove)
	must(t, gone, err)
	if twice, err := tenant.DeleteHolidayCalendar(ctx, remove); must(t, twice, err).GetToken().GetVersion() != gone.GetToken().GetVersion() {
		t.Errorf("deleted at %v, and again at %v", gone, twice)
	}
	_, err = tenant.GetHolidayCalendar(ctx, &permissionsv1.GetHolidayCalendarRequest{OrgId: org, CalendarId: id})
	wantReason(t, err, faultv1.Reason_REASON_NOT_FOUND)
}

// Late facts about everything that an answer about the past needs: as known then nobody, as known now the person.
func TestALateScheduleChangesThePastAsItIsKnownNow(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	ctx, org := t.Context(), string(tenant.Org)
	site, person := tenant.Site(t, "UTC"), tenant.Person(t)
	door := tenant.Door(t, site)
	always := &permissionsv1.ScheduleSpec{}
	for day := range int32(7) {
		always.Weekly = append(always.Weekly, &permissionsv1.WeeklyInterval{Weekday: day + 1, StartMinute: 0, EndMinute: 1440})
	}
	schedule := tenant.Schedule(t, site, always)
	since := time.Now().Add(-72 * time.Hour)
	tenant.LetFor(t, person, door, schedule, since, time.Time{})
	people := func(at, known *timestamppb.Timestamp) []string {
		out, err := tenant.AccessAt(ctx, &permissionsv1.AccessAtRequest{OrgId: org, DoorId: door, At: at, KnownAt: known})
		var found []string
		for _, a := range must(t, out, err).GetAccess() {
			found = append(found, a.GetPersonId())
		}
		return found
	}
	yesterday, late := timestamppb.New(time.Now().Add(-24*time.Hour)), timestamppb.New(since)
	if then := people(yesterday, nil); len(then) != 0 {
		t.Fatalf("before there was a door: %v", then)
	}
	moved, err := tenant.UpdateSite(ctx, &permissionsv1.UpdateSiteRequest{
		OrgId: org, SiteId: site, Etag: getSite(t, tenant, site).GetEtag(), Name: "Site", TimeZone: "UTC", EffectiveAt: late,
	})
	must(t, moved, err)
	older, err := tenant.UpdateDoor(ctx, &permissionsv1.UpdateDoorRequest{
		OrgId: org, DoorId: door, Etag: getDoor(t, tenant, door).GetEtag(), Name: "Door", EffectiveAt: late,
	})
	must(t, older, err)
	changed, err := tenant.UpdateSchedule(ctx, &permissionsv1.UpdateScheduleRequest{
		OrgId: org, ScheduleId: schedule, Etag: getSchedule(t, tenant, schedule).GetEtag(), Name: "Schedule", Spec: always, EffectiveAt: late,
	})
	tenant.Token = must(t, changed, err).GetToken()
	if now := people(yesterday, nil); !slices.Equal(now, []string{person}) {
		t.Fatalf("as known now: %v", now)
	}
	first := tenant.Latest()[0]
	if first.GetVersion() != 7 { // site, door, schedule, grant, and the three late facts
		t.Fatalf("version %d", first.GetVersion())
	}

	// A correction back: never on that day.
	none := &permissionsv1.ScheduleSpec{Weekly: always.GetWeekly(), Exceptions: []*permissionsv1.DatedException{{Date: yesterday.AsTime().Format(time.DateOnly)}}}
	before := timestamppb.Now()
	changed, err = tenant.UpdateSchedule(ctx, &permissionsv1.UpdateScheduleRequest{
		OrgId: org, ScheduleId: schedule, Etag: changed.GetSchedule().GetEtag(), Name: "Schedule", Spec: none,
		EffectiveAt: timestamppb.New(since.Add(time.Hour)),
	})
	must(t, changed, err)
	if now := people(yesterday, nil); len(now) != 0 {
		t.Fatalf("after the correction: %v", now)
	}
	if then := people(yesterday, before); !slices.Equal(then, []string{person}) {
		t.Fatalf("as it was known before the correction: %v", then)
	}
	if start := people(timestamppb.New(since.Add(30*time.Minute)), nil); !slices.Equal(start, []string{person}) {
		t.Fatalf("before the corrected time: %v", start)
	}
}
