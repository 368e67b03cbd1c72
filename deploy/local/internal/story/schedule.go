package story

import (
	"fmt"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
)

const madrid = "Europe/Madrid"

// schedulesAround makes a schedule that holds from an hour before now until two hours after, and one that holds only from
// six until seven hours after now: whenever the story is played, the first includes the present and the second does not.
func schedulesAround(now time.Time) (open, closed *permissionsv1.ScheduleSpec, err error) {
	zone, err := time.LoadLocation(madrid)
	if err != nil {
		return nil, nil, fmt.Errorf("time zone of the site: %w", err)
	}
	return weekly(now.Add(-time.Hour).In(zone), 3*60), weekly(now.Add(6*time.Hour).In(zone), 60), nil
}

// weekly is one interval of some minutes that starts at a local time.
func weekly(start time.Time, minutes int32) *permissionsv1.ScheduleSpec {
	weekday := int32(start.Weekday())
	if weekday == 0 {
		weekday = 7 // ISO 8601: Sunday
	}
	from := int32(start.Hour()*60 + start.Minute())
	return &permissionsv1.ScheduleSpec{Weekly: []*permissionsv1.WeeklyInterval{
		{Weekday: weekday, StartMinute: from, EndMinute: from + minutes},
	}}
}
