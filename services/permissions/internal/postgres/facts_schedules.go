package postgres

import (
	"github.com/cardea-mesh/cardea/services/policy"
	"github.com/jackc/pgx/v5"
)

const factHolidays = `SELECT observer.id, holidays FROM (
		SELECT id, unnest(calendars) AS calendar FROM schedules
		WHERE region = $1 AND id = ANY ($2) AND org = $3` + holds + `
	) observer JOIN holiday_calendars c ON c.id = observer.calendar
	WHERE region = $1 AND org = $3` + holds

const factSchedules = `SELECT id, time_zone, spec FROM schedules
	WHERE region = $1 AND id = ANY ($2) AND org = $3` + holds

// timetables asks for the schedules, with the dates of the calendars that they observed then. One that cannot be made is
// left out: its grants then do not hold.
func (l *loader) timetables(batch *pgx.Batch) {
	ids := l.schedules.all
	if len(ids) == 0 {
		return
	}
	dates := map[string][]policy.Holiday{}
	l.ask(batch, factHolidays, ids, func(rows pgx.Rows) error {
		var id string
		var stored []byte
		_, err := pgx.ForEachRow(rows, []any{&id, &stored}, func() error {
			named, err := decodeHolidays(stored)
			for _, h := range named {
				dates[id] = append(dates[id], h.Holiday)
			}
			return err
		})
		return err
	})
	l.ask(batch, factSchedules, ids, func(rows pgx.Rows) error {
		var id, zone string
		var stored []byte
		_, err := pgx.ForEachRow(rows, []any{&id, &zone, &stored}, func() error {
			spec, err := decodeSpec(stored)
			if err != nil {
				return err
			}
			spec.Holidays = dates[id]
			if schedule, err := policy.NewSchedule(zone, spec); err == nil {
				l.facts.AddSchedule(policy.ScheduleID(id), schedule)
			}
			return nil
		})
		return err
	})
}
