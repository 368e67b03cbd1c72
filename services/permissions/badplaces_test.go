package permissions_test

import (
	"fmt"
	"testing"
	"time"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// badCase is a call that was refused, and as what it should have been.
type badCase struct {
	name string
	err  error
	want faultv1.Reason
}

// badPlaces makes bad calls about good things.
type badPlaces struct {
	tenant                                         *permissionstest.Tenant
	site, door, zone, schedule, calendar           string
	westDoor, westZone, westSchedule, westCalendar string
}

const (
	invalid    = faultv1.Reason_REASON_INVALID_FIELD
	notFound   = faultv1.Reason_REASON_NOT_FOUND
	otherHome  = faultv1.Reason_REASON_OTHER_HOME
	wrongKind  = faultv1.Reason_REASON_WRONG_ID_KIND
	conflict   = faultv1.Reason_REASON_CONFLICT
	clockError = faultv1.Reason_REASON_CLOCK_NONSENSE
)

func (b badPlaces) cases(t *testing.T) []badCase {
	all := append(b.rules(t), b.zones(t)...)
	all = append(all, b.hours(t)...)
	all = append(all, b.lockdowns(t)...)
	return append(all, b.edits(t)...)
}

func (b badPlaces) none(kind region.Kind) string { return string(region.NewID(kind, "euc")) }

func (b badPlaces) rules(t *testing.T) []badCase {
	make := func(r *permissionsv1.DoorRules) error {
		_, err := b.tenant.CreateDoor(t.Context(), &permissionsv1.CreateDoorRequest{
			OrgId: string(b.tenant.Org), SiteId: b.site, Name: "D", Rules: r, IdempotencyKey: b.tenant.Once(),
		})
		return err
	}
	auto := func(schedule string) error { return make(&permissionsv1.DoorRules{AutoUnlockScheduleId: schedule}) }
	first := func(f *permissionsv1.FirstPersonRule) error {
		return make(&permissionsv1.DoorRules{AutoUnlockScheduleId: b.schedule, FirstPerson: f})
	}
	offline := func(budget time.Duration, after permissionsv1.OfflineAfter, subject string) error {
		return make(&permissionsv1.DoorRules{Offline: &permissionsv1.OfflineRule{Budget: durationpb.New(budget), After: after, EmergencySubjectId: subject}})
	}
	const (
		secure    = permissionsv1.OfflineAfter_OFFLINE_AFTER_STAY_SECURE
		emergency = permissionsv1.OfflineAfter_OFFLINE_AFTER_EMERGENCY_LIST
	)
	return []badCase{
		{"locks alone without a budget", make(&permissionsv1.DoorRules{Offline: &permissionsv1.OfflineRule{After: secure}}), invalid},
		{"locks alone for a minute", offline(time.Minute, secure, ""), invalid},
		{"locks alone for a year", offline(365*24*time.Hour, secure, ""), invalid},
		{"locks that do afterwards what nobody knows", offline(time.Hour, 7, ""), invalid},
		{"an emergency list of nobody", offline(time.Hour, emergency, ""), invalid},
		{"somebody for the emergency without an emergency list", offline(time.Hour, secure, b.none(region.Group)), invalid},
		{"an emergency list of a group that is not there", offline(time.Hour, emergency, b.none(region.Group)), notFound},
		{"an emergency list of a group of another jurisdiction", offline(time.Hour, emergency, string(region.NewID(region.Group, "use"))), otherHome},
		{"an emergency list of a door", offline(time.Hour, emergency, b.door), wrongKind},
		{"a door held open for a moment", make(&permissionsv1.DoorRules{HeldOpenAfter: durationpb.New(time.Millisecond)}), invalid},
		{"a door held open for a week", make(&permissionsv1.DoorRules{HeldOpenAfter: durationpb.New(7 * 24 * time.Hour)}), invalid},
		{"a door that opens by a door", auto(b.door), wrongKind},
		{"a door that opens by a schedule that is not there", auto(b.none(region.Schedule)), notFound},
		{"a door that opens by a schedule of another region", auto(b.westSchedule), otherHome},
		{"a second factor by a schedule of another region", make(&permissionsv1.DoorRules{SecondFactor: &permissionsv1.SecondFactorRule{ScheduleId: b.westSchedule}}), otherHome},
		{"a first person without any schedule", make(&permissionsv1.DoorRules{FirstPerson: &permissionsv1.FirstPersonRule{}}), invalid},
		{"a first person by a schedule that is not there", first(&permissionsv1.FirstPersonRule{ScheduleId: b.none(region.Schedule)}), notFound},
		{"a door as the first person", first(&permissionsv1.FirstPersonRule{SubjectId: b.door}), wrongKind},
		{"a first person of a group that is not there", first(&permissionsv1.FirstPersonRule{SubjectId: b.none(region.Group)}), notFound},
		{"a first person's group of another jurisdiction", first(&permissionsv1.FirstPersonRule{SubjectId: string(region.NewID(region.Group, "use"))}), otherHome},
		{"a grace of a day", first(&permissionsv1.FirstPersonRule{Grace: durationpb.New(24 * time.Hour)}), invalid},
		{"a second person after an hour", make(&permissionsv1.DoorRules{TwoPersonWindow: durationpb.New(time.Hour)}), invalid},
		{"a state loss that nobody knows", make(&permissionsv1.DoorRules{OnStateLoss: 7}), invalid},
	}
}

func (b badPlaces) zones(t *testing.T) []badCase {
	make := func(zones []string, border *permissionsv1.AntiPassback) error {
		_, err := b.tenant.CreateZone(t.Context(), &permissionsv1.CreateZoneRequest{
			OrgId: string(b.tenant.Org), Region: "eu-central", Name: "Z", DoorIds: []string{b.door}, ZoneIds: zones, AntiPassback: border,
			IdempotencyKey: b.tenant.Once(),
		})
		return err
	}
	update := func(doors, zones []string) error { return setZone(t, b.tenant, b.zone, doors, zones) }
	soft := permissionsv1.AntiPassbackMode_ANTI_PASSBACK_MODE_SOFT
	return []badCase{
		{"a zone of a zone of another region", make([]string{b.westZone}, nil), otherHome},
		{"a zone of a zone that is not there", make([]string{b.none(region.Zone)}, nil), notFound},
		{"a zone of a door as a zone", make([]string{b.door}, nil), wrongKind},
		{"a zone with a zone twice", make([]string{b.zone, b.zone}, nil), invalid},
		{"anti-passback of no mode", make(nil, &permissionsv1.AntiPassback{}), invalid},
		{"anti-passback of an unknown mode", make(nil, &permissionsv1.AntiPassback{Mode: 7}), invalid},
		{"anti-passback for a year", make(nil, &permissionsv1.AntiPassback{Mode: soft, ResetAfter: durationpb.New(365 * 24 * time.Hour)}), invalid},
		{"a zone changed to a door of another region", update([]string{b.westDoor}, nil), otherHome},
		{"a zone changed to a door that is not there", update([]string{b.none(region.Door)}, nil), notFound},
		{"a zone changed to a zone that is not there", update(nil, []string{b.none(region.Zone)}), notFound},
		{"a zone changed to contain itself", update(nil, []string{b.zone}), faultv1.Reason_REASON_CYCLE},
	}
}

func (b badPlaces) hours(t *testing.T) []badCase {
	org := string(b.tenant.Org)
	calendar := func(name string, holidays ...*permissionsv1.Holiday) error {
		_, err := b.tenant.CreateHolidayCalendar(t.Context(), &permissionsv1.CreateHolidayCalendarRequest{
			OrgId: org, Region: "eu-central", Name: name, Holidays: holidays, IdempotencyKey: b.tenant.Once(),
		})
		return err
	}
	observe := func(on []*permissionsv1.WeeklyInterval, calendars ...string) error {
		spec := officeHours()
		spec.HolidayCalendarIds, spec.OnHolidays = calendars, on
		_, err := b.tenant.CreateSchedule(t.Context(), &permissionsv1.CreateScheduleRequest{
			OrgId: org, SiteId: b.site, Name: "S", Spec: spec, IdempotencyKey: b.tenant.Once(),
		})
		return err
	}
	update := func(spec *permissionsv1.ScheduleSpec) error {
		_, err := b.tenant.UpdateSchedule(t.Context(), &permissionsv1.UpdateScheduleRequest{
			OrgId: org, ScheduleId: b.schedule, Etag: getSchedule(t, b.tenant, b.schedule).GetEtag(), Name: "S", Spec: spec,
		})
		return err
	}
	var many []*permissionsv1.Holiday
	for i := range 1001 {
		many = append(many, &permissionsv1.Holiday{Date: time.Date(2027, 1, 1+i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)})
	}
	return []badCase{
		{"a holiday on no date", calendar("K", &permissionsv1.Holiday{Date: "Christmas"}), invalid},
		{"a holiday on the 31st of June", calendar("K", &permissionsv1.Holiday{Date: "2027-06-31"}), invalid},
		{"a holiday twice", calendar("K", &permissionsv1.Holiday{Date: "2027-06-30"}, &permissionsv1.Holiday{Date: "2027-06-30"}), invalid},
		{"a holiday's name with a line break", calendar("K", &permissionsv1.Holiday{Date: "2027-06-30", Name: "a\nb"}), invalid},
		{"a holiday's name too long", calendar("K", &permissionsv1.Holiday{Date: "2027-06-30", Name: fmt.Sprintf("%0101d", 1)}), invalid},
		{"a calendar without a name", calendar(" "), invalid},
		{"more holidays than a calendar has", calendar("K", many...), invalid},
		{"a schedule of a calendar of another region", observe(nil, b.westCalendar), otherHome},
		{"a schedule of a calendar that is not there", observe(nil, b.none(region.Calendar)), notFound},
		{"a schedule of a calendar twice", observe(nil, b.calendar, b.calendar), invalid},
		{"a schedule of a door as a calendar", observe(nil, b.door), wrongKind},
		{"holiday hours that end before they start", observe([]*permissionsv1.WeeklyInterval{{Weekday: 1, StartMinute: 600, EndMinute: 540}}), invalid},
		{"a schedule changed to nothing", update(nil), invalid},
		{"a schedule changed to the 30th of February", update(&permissionsv1.ScheduleSpec{Exceptions: []*permissionsv1.DatedException{{Date: "2027-02-30"}}}), invalid},
		{"a schedule changed to a calendar of another region", update(&permissionsv1.ScheduleSpec{HolidayCalendarIds: []string{b.westCalendar}}), otherHome},
	}
}

func (b badPlaces) lockdowns(t *testing.T) []badCase {
	start := func(target string, rank int32, length time.Duration, note string) error {
		_, err := b.tenant.StartLockdown(t.Context(), &permissionsv1.StartLockdownRequest{
			OrgId: string(b.tenant.Org), TargetId: target, Rank: rank, Duration: durationpb.New(length), Note: note, IdempotencyKey: b.tenant.Once(),
		})
		return err
	}
	_, noneToEnd := b.tenant.EndLockdown(t.Context(), &permissionsv1.EndLockdownRequest{OrgId: string(b.tenant.Org), LockdownId: b.none(region.Lockdown)})
	return []badCase{
		{"a lockdown of a schedule", start(b.schedule, 1, time.Minute, ""), wrongKind},
		{"a lockdown of a door that is not there", start(b.none(region.Door), 1, time.Minute, ""), notFound},
		{"a lockdown of a zone that is not there", start(b.none(region.Zone), 1, time.Minute, ""), notFound},
		{"a lockdown of a site that is not there", start(b.none(region.Site), 1, time.Minute, ""), notFound},
		{"a lockdown of no rank", start(b.door, 0, time.Minute, ""), invalid},
		{"a lockdown of an eleventh rank", start(b.door, 11, time.Minute, ""), invalid},
		{"a lockdown of a moment", start(b.door, 1, time.Millisecond, ""), invalid},
		{"a lockdown of a year", start(b.door, 1, 365*24*time.Hour, ""), invalid},
		{"a lockdown's note with a line break", start(b.door, 1, time.Minute, "a\nb"), invalid},
		{"an end of a lockdown that is not there", noneToEnd, notFound},
	}
}

// edits are what every update and deletion refuses.
func (b badPlaces) edits(t *testing.T) []badCase {
	ctx, org := t.Context(), string(b.tenant.Org)
	door := func(id, etag, name string, at *timestamppb.Timestamp) error {
		_, err := b.tenant.UpdateDoor(ctx, &permissionsv1.UpdateDoorRequest{OrgId: org, DoorId: id, Etag: etag, Name: name, EffectiveAt: at})
		return err
	}
	etag := getDoor(t, b.tenant, b.door).GetEtag()
	future := timestamppb.New(time.Now().Add(time.Hour))
	cases := []badCase{
		{"an update of a door that is not there", door(b.none(region.Door), "v1", "N", nil), notFound},
		{"an update without an etag", door(b.door, "", "N", nil), invalid},
		{"an update with an old etag", door(b.door, "v0", "N", nil), conflict},
		{"an update with something else for an etag", door(b.door, "1", "N", nil), conflict},
		{"an update to a name of spaces", door(b.door, etag, " ", nil), invalid},
		{"an update from tomorrow on", door(b.door, etag, "N", future), clockError},
		{"an update that changes nothing from tomorrow on", door(b.door, etag, "Door", future), clockError},
		{"an update after the end of time", door(b.door, etag, "N", &timestamppb.Timestamp{Seconds: 1 << 50}), clockError},
	}
	_, err := b.tenant.UpdateSite(ctx, &permissionsv1.UpdateSiteRequest{
		OrgId: org, SiteId: b.site, Etag: getSite(t, b.tenant, b.site).GetEtag(), Name: "S", TimeZone: "Europe/Nowhere",
	})
	cases = append(cases, badCase{"a site moved to no time zone", err, invalid})
	_, err = b.tenant.DeleteDoor(ctx, &permissionsv1.DeleteDoorRequest{OrgId: org, DoorId: b.none(region.Door), Etag: "v1"})
	cases = append(cases, badCase{"a deletion of a door that never was", err, notFound})
	_, err = b.tenant.DeleteSite(ctx, &permissionsv1.DeleteSiteRequest{OrgId: org, SiteId: b.none(region.Site), Etag: "v1"})
	cases = append(cases, badCase{"a deletion of a site that never was", err, notFound})
	_, err = b.tenant.DeleteZone(ctx, &permissionsv1.DeleteZoneRequest{OrgId: org, ZoneId: b.zone, Etag: "v0"})
	cases = append(cases, badCase{"a deletion with an old etag", err, conflict})
	_, err = b.tenant.ListZones(ctx, &permissionsv1.ListZonesRequest{OrgId: org, Region: "eu-central", PageToken: "no token"})
	cases = append(cases, badCase{"a page token that was not given out", err, invalid})
	_, err = b.tenant.ListZones(ctx, &permissionsv1.ListZonesRequest{OrgId: org, Region: "eu-central", PageSize: 1001})
	return append(cases, badCase{"a page of more than a thousand", err, invalid})
}
