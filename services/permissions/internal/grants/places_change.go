package grants

import "time"

// Changes of places, schedules and lockdowns. EffectiveAt is since when a late fact holds in the world; zero: since the
// commit.
type (
	// SiteCreated: there is a site.
	SiteCreated struct{ Site Site }
	// SiteUpdated: a site is something else. Doors are its doors, where its time zone is another.
	SiteUpdated struct {
		Site        Site
		EffectiveAt time.Time
		Doors       []Door
	}
	// SiteDeleted: there is no such site any more.
	SiteDeleted struct{ Site Site }

	// DoorCreated: there is a door.
	DoorCreated struct{ Door Door }
	// DoorUpdated: a door is something else.
	DoorUpdated struct {
		Door        Door
		EffectiveAt time.Time
	}
	// DoorDeleted: there is no such door any more.
	DoorDeleted struct{ Door Door }

	// ZoneCreated: there is a zone. Around it are doors and zones that came in, as they are now.
	ZoneCreated struct {
		Zone   Zone
		Around Neighbours
	}
	// ZoneUpdated: a zone is something else. Around it are doors and zones that came in or went out.
	ZoneUpdated struct {
		Zone        Zone
		EffectiveAt time.Time
		Around      Neighbours
	}
	// ZoneDeleted: there is no such zone any more. Around it are the doors and zones that were in it.
	ZoneDeleted struct {
		Zone   Zone
		Around Neighbours
	}

	// ScheduleCreated: there is a schedule.
	ScheduleCreated struct{ Schedule Schedule }
	// ScheduleUpdated: a schedule is something else.
	ScheduleUpdated struct {
		Schedule    Schedule
		EffectiveAt time.Time
	}
	// ScheduleDeleted: there is no such schedule any more.
	ScheduleDeleted struct{ Schedule Schedule }

	// CalendarCreated: there is a holiday calendar.
	CalendarCreated struct{ Calendar Calendar }
	// CalendarUpdated: a calendar is something else. Observers are the schedules that observe it, with its dates as they are now.
	CalendarUpdated struct {
		Calendar    Calendar
		EffectiveAt time.Time
		Observers   []Schedule
	}
	// CalendarDeleted: there is no such calendar any more.
	CalendarDeleted struct{ Calendar Calendar }

	// LockdownStarted: something is kept closed.
	LockdownStarted struct{ Lockdown Lockdown }
	// LockdownEnded: it is not any more.
	LockdownEnded struct{ Lockdown Lockdown }
)

// Neighbours are doors and zones whose published facts change with a zone.
type Neighbours struct {
	Doors []Door
	Zones []Zone
}

func (SiteCreated) change()     {}
func (SiteUpdated) change()     {}
func (SiteDeleted) change()     {}
func (DoorCreated) change()     {}
func (DoorUpdated) change()     {}
func (DoorDeleted) change()     {}
func (ZoneCreated) change()     {}
func (ZoneUpdated) change()     {}
func (ZoneDeleted) change()     {}
func (ScheduleCreated) change() {}
func (ScheduleUpdated) change() {}
func (ScheduleDeleted) change() {}
func (CalendarCreated) change() {}
func (CalendarUpdated) change() {}
func (CalendarDeleted) change() {}
func (LockdownStarted) change() {}
func (LockdownEnded) change()   {}
