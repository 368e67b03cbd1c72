package permissions_test

import (
	"testing"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

// theirPlaces are calls of one organization about the places of another, with etags that would be right.
func theirPlaces(t *testing.T, theirs, mine *permissionstest.Tenant, ids map[string]string) map[string]func() error {
	ctx, org := t.Context(), string(mine.Org)
	site, door, zone, schedule, calendar := ids["site"], ids["door"], ids["zone"], ids["schedule"], ids["calendar"]
	mySite := mine.Site(t, "UTC")
	mySchedule, myZone := mine.Schedule(t, mySite, officeHours()), mine.Zone(t, mine.Door(t, mySite))
	siteEtag, doorEtag, zoneEtag := getSite(t, theirs, site).GetEtag(), getDoor(t, theirs, door).GetEtag(), getZone(t, theirs, zone).GetEtag()
	scheduleEtag, calendarEtag := getSchedule(t, theirs, schedule).GetEtag(), getCalendar(t, theirs, calendar).GetEtag()
	calls := map[string]func() error{}
	add := func(name string, call func() error) { calls[name] = call }
	add("GetSite", func() error {
		_, err := mine.GetSite(ctx, &permissionsv1.GetSiteRequest{OrgId: org, SiteId: site})
		return err
	})
	add("UpdateSite", func() error {
		_, err := mine.UpdateSite(ctx, &permissionsv1.UpdateSiteRequest{OrgId: org, SiteId: site, Etag: siteEtag, Name: "N", TimeZone: "UTC"})
		return err
	})
	add("DeleteSite", func() error {
		_, err := mine.DeleteSite(ctx, &permissionsv1.DeleteSiteRequest{OrgId: org, SiteId: site, Etag: siteEtag})
		return err
	})
	add("ListSiteDoors", func() error {
		_, err := mine.ListSiteDoors(ctx, &permissionsv1.ListSiteDoorsRequest{OrgId: org, SiteId: site})
		return err
	})
	add("ListSchedules", func() error {
		_, err := mine.ListSchedules(ctx, &permissionsv1.ListSchedulesRequest{OrgId: org, SiteId: site})
		return err
	})
	add("CreateDoor by their schedule", func() error {
		_, err := mine.CreateDoor(ctx, &permissionsv1.CreateDoorRequest{
			OrgId: org, SiteId: mySite, Name: "N", Rules: &permissionsv1.DoorRules{AutoUnlockScheduleId: schedule}, IdempotencyKey: mine.Once(),
		})
		return err
	})
	add("UpdateDoor", func() error {
		_, err := mine.UpdateDoor(ctx, &permissionsv1.UpdateDoorRequest{OrgId: org, DoorId: door, Etag: doorEtag, Name: "N"})
		return err
	})
	add("DeleteDoor", func() error {
		_, err := mine.DeleteDoor(ctx, &permissionsv1.DeleteDoorRequest{OrgId: org, DoorId: door, Etag: doorEtag})
		return err
	})
	add("GetZone", func() error {
		_, err := mine.GetZone(ctx, &permissionsv1.GetZoneRequest{OrgId: org, ZoneId: zone})
		return err
	})
	add("UpdateZone", func() error {
		_, err := mine.UpdateZone(ctx, &permissionsv1.UpdateZoneRequest{OrgId: org, ZoneId: zone, Etag: zoneEtag, Name: "N"})
		return err
	})
	add("UpdateZone to their door", func() error { return setZone(t, mine, myZone, []string{door}, nil) })
	add("UpdateZone to their zone", func() error { return setZone(t, mine, myZone, nil, []string{zone}) })
	add("DeleteZone", func() error {
		_, err := mine.DeleteZone(ctx, &permissionsv1.DeleteZoneRequest{OrgId: org, ZoneId: zone, Etag: zoneEtag})
		return err
	})
	add("GetSchedule", func() error {
		_, err := mine.GetSchedule(ctx, &permissionsv1.GetScheduleRequest{OrgId: org, ScheduleId: schedule})
		return err
	})
	add("UpdateSchedule", func() error {
		_, err := mine.UpdateSchedule(ctx, &permissionsv1.UpdateScheduleRequest{OrgId: org, ScheduleId: schedule, Etag: scheduleEtag, Name: "N", Spec: officeHours()})
		return err
	})
	add("UpdateSchedule to their calendar", func() error {
		spec := officeHours()
		spec.HolidayCalendarIds = []string{calendar}
		_, err := mine.UpdateSchedule(ctx, &permissionsv1.UpdateScheduleRequest{
			OrgId: org, ScheduleId: mySchedule, Etag: getSchedule(t, mine, mySchedule).GetEtag(), Name: "N", Spec: spec,
		})
		return err
	})
	add("DeleteSchedule", func() error {
		_, err := mine.DeleteSchedule(ctx, &permissionsv1.DeleteScheduleRequest{OrgId: org, ScheduleId: schedule, Etag: scheduleEtag})
		return err
	})
	add("GetHolidayCalendar", func() error {
		_, err := mine.GetHolidayCalendar(ctx, &permissionsv1.GetHolidayCalendarRequest{OrgId: org, CalendarId: calendar})
		return err
	})
	add("UpdateHolidayCalendar", func() error {
		_, err := mine.UpdateHolidayCalendar(ctx, &permissionsv1.UpdateHolidayCalendarRequest{OrgId: org, CalendarId: calendar, Etag: calendarEtag, Name: "N"})
		return err
	})
	add("DeleteHolidayCalendar", func() error {
		_, err := mine.DeleteHolidayCalendar(ctx, &permissionsv1.DeleteHolidayCalendarRequest{OrgId: org, CalendarId: calendar, Etag: calendarEtag})
		return err
	})
	for _, target := range []string{site, door, zone} {
		add("StartLockdown of "+target, func() error {
			_, err := mine.StartLockdown(ctx, &permissionsv1.StartLockdownRequest{OrgId: org, TargetId: target, Rank: 1, IdempotencyKey: mine.Once()})
			return err
		})
	}
	add("EndLockdown", func() error {
		_, err := mine.EndLockdown(ctx, &permissionsv1.EndLockdownRequest{OrgId: org, LockdownId: ids["lockdown"]})
		return err
	})
	return calls
}

func TestListsHaveTheOwnOrganizationsThingsOnly(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	theirs, mine := svc.Tenant(t, central), svc.Tenant(t, central)
	site := theirs.Site(t, "UTC")
	theirs.LockDown(t, theirs.Zone(t, theirs.Door(t, site)), 1)
	theirs.Calendar(t)
	ctx, org := t.Context(), string(mine.Org)
	sites, err := mine.ListSites(ctx, &permissionsv1.ListSitesRequest{OrgId: org, Region: "eu-central"})
	must(t, sites, err)
	zones, err := mine.ListZones(ctx, &permissionsv1.ListZonesRequest{OrgId: org, Region: "eu-central"})
	must(t, zones, err)
	calendars, err := mine.ListHolidayCalendars(ctx, &permissionsv1.ListHolidayCalendarsRequest{OrgId: org, Region: "eu-central"})
	must(t, calendars, err)
	closed, err := mine.ListLockdowns(ctx, &permissionsv1.ListLockdownsRequest{OrgId: org, Region: "eu-central"})
	must(t, closed, err)
	if n := len(sites.GetSites()) + len(zones.GetZones()) + len(calendars.GetCalendars()) + len(closed.GetLockdowns()); n != 0 {
		t.Fatalf("%d things of another organization", n)
	}
}
