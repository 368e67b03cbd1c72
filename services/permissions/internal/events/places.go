package events

import (
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/contract"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/proto"
)

// recordPlaces is Record for sites, doors and zones; false: the change is about something else.
func recordPlaces(c *outbox.Commit, change grants.Change) bool {
	switch ch := change.(type) {
	case grants.SiteCreated:
		say(c, ch.Site.ID, "site_created", &permissionsv1.SiteCreated{
			SiteId: string(ch.Site.ID), Name: ch.Site.Name, TimeZone: ch.Site.TimeZone,
		})
	case grants.SiteUpdated:
		sayLate(c, ch.Site.ID, "site_updated", ch.EffectiveAt, &permissionsv1.SiteUpdated{
			Site: contract.Site(ch.Site), EffectiveAt: contract.Stamp(ch.EffectiveAt),
		})
		for _, d := range ch.Doors {
			putDoor(c, d)
		}
	case grants.SiteDeleted:
		say(c, ch.Site.ID, "site_deleted", &permissionsv1.SiteDeleted{SiteId: string(ch.Site.ID)})
	case grants.DoorCreated:
		say(c, ch.Door.ID, "door_created", &permissionsv1.DoorCreated{Door: contract.Door(ch.Door)})
		putDoor(c, ch.Door)
	case grants.DoorUpdated:
		sayLate(c, ch.Door.ID, "door_updated", ch.EffectiveAt, &permissionsv1.DoorUpdated{
			Door: contract.Door(ch.Door), EffectiveAt: contract.Stamp(ch.EffectiveAt),
		})
		putDoor(c, ch.Door)
	case grants.DoorDeleted:
		say(c, ch.Door.ID, "door_deleted", &permissionsv1.DoorDeleted{DoorId: string(ch.Door.ID)})
		c.Remove(doorKey(c.Org, ch.Door))
	case grants.ZoneCreated:
		say(c, ch.Zone.ID, "zone_created", &permissionsv1.ZoneCreated{
			ZoneId: string(ch.Zone.ID), Name: ch.Zone.Name, DoorIds: contract.Texts(ch.Zone.Doors), ZoneIds: contract.Texts(ch.Zone.Zones),
			AntiPassback: contract.AntiPassback(ch.Zone.AntiPassback),
		})
		putZones(c, ch.Zone, ch.Around)
	case grants.ZoneUpdated:
		sayLate(c, ch.Zone.ID, "zone_updated", ch.EffectiveAt, &permissionsv1.ZoneUpdated{
			Zone: contract.Zone(ch.Zone), EffectiveAt: contract.Stamp(ch.EffectiveAt),
		})
		putZones(c, ch.Zone, ch.Around)
	case grants.ZoneDeleted:
		say(c, ch.Zone.ID, "zone_deleted", &permissionsv1.ZoneDeleted{ZoneId: string(ch.Zone.ID)})
		c.Remove(zoneKey(c.Org, ch.Zone))
		putAround(c, ch.Around)
	default:
		return recordHours(c, change)
	}
	return true
}

// recordHours is recordPlaces for schedules, calendars and lockdowns.
func recordHours(c *outbox.Commit, change grants.Change) bool {
	switch ch := change.(type) {
	case grants.ScheduleCreated:
		say(c, ch.Schedule.ID, "schedule_created", &permissionsv1.ScheduleCreated{
			ScheduleId: string(ch.Schedule.ID), SiteId: string(ch.Schedule.Site), Name: ch.Schedule.Name, Spec: contract.Spec(ch.Schedule),
		})
		putSchedule(c, ch.Schedule)
	case grants.ScheduleUpdated:
		sayLate(c, ch.Schedule.ID, "schedule_updated", ch.EffectiveAt, &permissionsv1.ScheduleUpdated{
			Schedule: contract.Schedule(ch.Schedule), EffectiveAt: contract.Stamp(ch.EffectiveAt),
		})
		putSchedule(c, ch.Schedule)
	case grants.ScheduleDeleted:
		say(c, ch.Schedule.ID, "schedule_deleted", &permissionsv1.ScheduleDeleted{ScheduleId: string(ch.Schedule.ID)})
		c.Remove(scheduleKey(c.Org, ch.Schedule))
	case grants.CalendarCreated:
		say(c, ch.Calendar.ID, "holiday_calendar_created", &permissionsv1.HolidayCalendarCreated{Calendar: contract.HolidayCalendar(ch.Calendar)})
	case grants.CalendarUpdated:
		sayLate(c, ch.Calendar.ID, "holiday_calendar_updated", ch.EffectiveAt, &permissionsv1.HolidayCalendarUpdated{
			Calendar: contract.HolidayCalendar(ch.Calendar), EffectiveAt: contract.Stamp(ch.EffectiveAt),
		})
		for _, s := range ch.Observers {
			putSchedule(c, s)
		}
	case grants.CalendarDeleted:
		say(c, ch.Calendar.ID, "holiday_calendar_deleted", &permissionsv1.HolidayCalendarDeleted{CalendarId: string(ch.Calendar.ID)})
	case grants.LockdownStarted:
		say(c, ch.Lockdown.ID, "lockdown_started", &permissionsv1.LockdownStarted{Lockdown: contract.Lockdown(ch.Lockdown)})
		c.Put(lockdownKey(c.Org, ch.Lockdown), lockdownState(ch.Lockdown))
	case grants.LockdownEnded:
		say(c, ch.Lockdown.ID, "lockdown_ended", &permissionsv1.LockdownEnded{LockdownId: string(ch.Lockdown.ID)})
		c.Remove(lockdownKey(c.Org, ch.Lockdown))
	default:
		return false
	}
	return true
}

// sayLate is say for what may have happened in the world before it is recorded.
func sayLate(c *outbox.Commit, about region.ID, kind string, at time.Time, payload proto.Message) {
	c.Event(outbox.Event{Stream: about, Kind: kind, Payload: payload, OccurredAt: at})
}
