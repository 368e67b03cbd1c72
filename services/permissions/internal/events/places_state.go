package events

import (
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/contract"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/types/known/durationpb"
)

func doorKey(org region.ID, d grants.Door) string { return outbox.SiteKey(org, d.Site, "door", d.ID) }

func zoneKey(org region.ID, z grants.Zone) string { return outbox.SiteKey(org, z.Site, "zone", z.ID) }

func scheduleKey(org region.ID, s grants.Schedule) string {
	return outbox.SiteKey(org, s.Site, "schedule", s.ID)
}

func lockdownKey(org region.ID, l grants.Lockdown) string {
	return outbox.SiteKey(org, l.Site, "lockdown", l.ID)
}

func putDoor(c *outbox.Commit, d grants.Door) {
	c.Put(doorKey(c.Org, d), &permissionsv1.DoorState{
		TimeZone: d.TimeZone, UnlockFor: durationpb.New(d.UnlockFor), ZoneIds: contract.Texts(d.Zones), Rules: contract.DoorRules(d.Rules),
	})
}

func putZone(c *outbox.Commit, z grants.Zone) {
	c.Put(zoneKey(c.Org, z), &permissionsv1.ZoneState{
		ParentIds: contract.Texts(z.Parents), AntiPassback: contract.AntiPassback(z.AntiPassback),
	})
}

// putZones puts a zone and those whose facts change with it.
func putZones(c *outbox.Commit, z grants.Zone, around grants.Neighbours) {
	putZone(c, z)
	putAround(c, around)
}

func putAround(c *outbox.Commit, around grants.Neighbours) {
	for _, d := range around.Doors {
		putDoor(c, d)
	}
	for _, z := range around.Zones {
		putZone(c, z)
	}
}

func putSchedule(c *outbox.Commit, s grants.Schedule) {
	c.Put(scheduleKey(c.Org, s), &permissionsv1.ScheduleState{
		TimeZone: s.TimeZone, Spec: contract.Spec(s), Holidays: contract.Holidays(s),
	})
}

func lockdownState(l grants.Lockdown) *permissionsv1.LockdownState {
	return &permissionsv1.LockdownState{
		TargetId: string(l.Target), Rank: int32(l.Rank), //nolint:gosec // 1 to 10
		StartsAt: contract.Stamp(l.Validity.From), EndsAt: contract.Stamp(l.Validity.To),
	}
}
