package events

import (
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"google.golang.org/protobuf/types/known/durationpb"
)

func putDoor(c *outbox.Commit, d grants.Door) {
	c.Put(outbox.SiteKey(c.Org, d.Site, "door", d.ID), &permissionsv1.DoorState{
		TimeZone:  d.TimeZone,
		UnlockFor: durationpb.New(d.UnlockFor),
		ZoneIds:   texts(d.Zones),
	})
}

func scheduleState(s grants.Schedule) *permissionsv1.ScheduleState {
	return &permissionsv1.ScheduleState{TimeZone: s.TimeZone, Spec: spec(s.Spec)}
}
