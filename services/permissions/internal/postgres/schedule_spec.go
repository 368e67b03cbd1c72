package postgres

import (
	"encoding/json"

	"github.com/cardea-mesh/cardea/services/policy"
)

// specRow is the stored form of a schedule's spec. Its names are for ever; those of policy's types are Go's.
type specRow struct {
	Weekly     []intervalRow  `json:"weekly"`
	Exceptions []exceptionRow `json:"exceptions,omitempty"`
	OnHolidays []intervalRow  `json:"on_holidays,omitempty"` // the dates rest with their calendars
}

type intervalRow struct {
	Weekday     int `json:"weekday"`
	StartMinute int `json:"start_minute"`
	EndMinute   int `json:"end_minute"`
}

type exceptionRow struct {
	Date      string        `json:"date"`
	EveryYear bool          `json:"every_year,omitempty"`
	Intervals []intervalRow `json:"intervals"`
}

func encodeSpec(spec policy.ScheduleSpec) ([]byte, error) {
	row := specRow{Weekly: intervalRows(spec.Weekly), OnHolidays: intervalRows(spec.OnHolidays)}
	for _, e := range spec.Exceptions {
		row.Exceptions = append(row.Exceptions, exceptionRow{e.Date, e.EveryYear, intervalRows(e.Intervals)})
	}
	return json.Marshal(row)
}

func decodeSpec(stored []byte) (policy.ScheduleSpec, error) {
	var row specRow
	if err := json.Unmarshal(stored, &row); err != nil {
		return policy.ScheduleSpec{}, err
	}
	spec := policy.ScheduleSpec{Weekly: intervals(row.Weekly), OnHolidays: intervals(row.OnHolidays)}
	for _, e := range row.Exceptions {
		spec.Exceptions = append(spec.Exceptions, policy.DatedException{Date: e.Date, EveryYear: e.EveryYear, Intervals: intervals(e.Intervals)})
	}
	return spec, nil
}

func intervalRows(all []policy.WeeklyInterval) []intervalRow {
	rows := make([]intervalRow, len(all))
	for i, w := range all {
		rows[i] = intervalRow(w)
	}
	return rows
}

func intervals(rows []intervalRow) []policy.WeeklyInterval {
	all := make([]policy.WeeklyInterval, len(rows))
	for i, r := range rows {
		all[i] = policy.WeeklyInterval(r)
	}
	return all
}
