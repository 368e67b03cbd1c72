package access

import (
	"testing"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// In the night in which the hour from two to three comes twice, a door that is open from two to half past is closed in between.
func TestADoorDoesNotStandOpenInThePauseOfAnHourThatComesTwice(t *testing.T) {
	t.Parallel()
	two := time.Date(2026, 10, 25, 0, 0, 0, 0, time.UTC) // in Berlin, in summer time
	now := two
	c, _, _, _ := open(t, t.TempDir(), func(cfg *Config) { cfg.Now = func() time.Time { return now } })
	id := func(kind region.Kind) string { return string(region.NewID(kind, "euc")) }
	of, site, door, hours := id(region.Organization), id(region.Site), id(region.Door), id(region.Schedule)
	put := func(key string, r *typev1.StateRecord) { c.update(bus.Update{Key: key, Record: r, Incarnation: "1"}) }
	put(of+".site."+site+".schedule."+hours, record(1, &permissionsv1.ScheduleState{TimeZone: "Europe/Berlin", Spec: &permissionsv1.ScheduleSpec{
		Weekly: []*permissionsv1.WeeklyInterval{{Weekday: 7, StartMinute: 120, EndMinute: 150}},
	}}))
	put(of+".site."+site+".door."+door, record(1, &permissionsv1.DoorState{
		TimeZone: "Europe/Berlin", Rules: &permissionsv1.DoorRules{AutoUnlockScheduleId: hours},
	}))
	put(of+".head.permissions.eu-central", &typev1.StateRecord{Version: 1})
	c.caughtUp("1")
	for _, want := range []struct{ from, until time.Duration }{{0, 30}, {30, 0}, {59, 0}, {60, 90}, {90, 0}} {
		at := two.Add(want.from * time.Minute)
		s, known := c.Standing(t.Context(), Device{Org: of, Site: site, Door: door}, at)
		if !known {
			t.Fatal("not known")
		}
		var until time.Time
		if want.until != 0 {
			until = two.Add(want.until * time.Minute)
		}
		if !s.OpenUntil.Equal(until) {
			t.Errorf("%s: open until %s, want %s", at, s.OpenUntil, until)
		}
	}
}
