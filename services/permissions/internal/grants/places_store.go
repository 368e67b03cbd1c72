package grants

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// PlaceReader reads what is known now of places, schedules, calendars and lockdowns. Lists are ascending by id, after an
// id, at most limit.
type PlaceReader interface {
	// Zones is Zone for several of one region, in the order of ids.
	Zones(ctx context.Context, home region.Name, org region.ID, ids []region.ID) ([]Zone, error)
	Calendar(ctx context.Context, org, id region.ID) (Calendar, error)
	// Calendars is Calendar for several of one region, in the order of ids.
	Calendars(ctx context.Context, home region.Name, org region.ID, ids []region.ID) ([]Calendar, error)
	Lockdown(ctx context.Context, org, id region.ID) (Lockdown, error)

	ListSites(ctx context.Context, home region.Name, org region.ID, after string, limit int) ([]Site, error)
	ListDoors(ctx context.Context, org, site region.ID, after string, limit int) ([]Door, error)
	ListZones(ctx context.Context, home region.Name, org region.ID, after string, limit int) ([]Zone, error)
	ListSchedules(ctx context.Context, org, site region.ID, after string, limit int) ([]Schedule, error)
	ListCalendars(ctx context.Context, home region.Name, org region.ID, after string, limit int) ([]Calendar, error)
	// ListLockdowns returns those that have not ended at a moment.
	ListLockdowns(ctx context.Context, home region.Name, org region.ID, at time.Time, after string, limit int) ([]Lockdown, error)
}

// PlaceTx writes them. A thing is changed at most once in a commit.
type PlaceTx interface {
	// Existed says whether anything was ever known about a site, door, zone, schedule, calendar or group.
	Existed(ctx context.Context, org, id region.ID) (bool, error)
	// End ends a site, door, zone (with what is directly in it), schedule or calendar at the commit's moment.
	End(ctx context.Context, c Commit, id region.ID) error

	// SetSite and the like record what a thing is from a moment on, whatever was known about the time after it.
	SetSite(ctx context.Context, c Commit, s Site, from time.Time) error
	SetDoor(ctx context.Context, c Commit, d Door, from time.Time) error
	SetZone(ctx context.Context, c Commit, z Zone, from time.Time) error
	SetSchedule(ctx context.Context, c Commit, s Schedule, from time.Time) error
	SetCalendar(ctx context.Context, c Commit, k Calendar, from time.Time) error
	// MoveSchedules records another time zone for all schedules of a site from a moment on; what else is known stays.
	MoveSchedules(ctx context.Context, c Commit, site region.ID, timeZone string, from time.Time) error

	AddCalendar(ctx context.Context, c Commit, k Calendar) error
	AddLockdown(ctx context.Context, c Commit, l Lockdown) error
	// EndLockdown supersedes what was known of it and records it as ended with the given validity.
	EndLockdown(ctx context.Context, c Commit, l Lockdown, v Validity) error
	// LockdownsOf returns those of a door, zone or site that nobody has ended.
	LockdownsOf(ctx context.Context, org, target region.ID) ([]Lockdown, error)

	// ZonesInside returns the zones that are directly in any of these.
	ZonesInside(ctx context.Context, home region.Name, org region.ID, of []region.ID) ([]region.ID, error)
	// UsersOf returns some grants that hold at a moment or later, and doors, that name a schedule.
	UsersOf(ctx context.Context, org, schedule region.ID, at time.Time) ([]region.ID, error)
	// Observers returns the schedules that observe a calendar.
	Observers(ctx context.Context, org, calendar region.ID) ([]Schedule, error)
}
