package permissions_test

import (
	"testing"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"
)

// stepPlaces changes zones, locks down, or takes a door away.
func (w *world) stepPlaces(t *testing.T, rt *rapid.T, what string) {
	org := string(w.tenant.Org)
	inner := w.targets[len(w.targets)-2]
	switch what {
	case "rezone":
		zone, err := w.tenant.GetZone(t.Context(), &permissionsv1.GetZoneRequest{OrgId: org, ZoneId: inner})
		noError(t, err)
		req := &permissionsv1.UpdateZoneRequest{OrgId: org, ZoneId: inner, Etag: zone.GetEtag(), Name: zone.GetName()}
		for _, door := range w.doors {
			if rapid.Bool().Draw(rt, "in the zone") {
				req.DoorIds = append(req.DoorIds, door)
			}
		}
		if since := w.since(rt); !since.IsZero() {
			req.EffectiveAt = timestamppb.New(since)
		}
		out, err := w.tenant.UpdateZone(t.Context(), req)
		noError(t, err)
		w.tenant.Token = out.GetToken()
	case "lock":
		w.lockdowns = append(w.lockdowns, w.tenant.LockDown(t, rapid.SampledFrom(w.targets).Draw(rt, "locked"), 5))
	case "unlock":
		if len(w.lockdowns) > 0 {
			out, err := w.tenant.EndLockdown(t.Context(), &permissionsv1.EndLockdownRequest{
				OrgId: org, LockdownId: rapid.SampledFrom(w.lockdowns).Draw(rt, "lockdown"),
			})
			noError(t, err)
			w.tenant.Token = out.GetToken()
		}
	case "demolish":
		if len(w.doors) < 2 || rapid.IntRange(0, 2).Draw(rt, "spared") > 0 {
			return
		}
		door, err := w.tenant.GetDoor(t.Context(), &permissionsv1.GetDoorRequest{OrgId: org, DoorId: w.doors[0]})
		noError(t, err)
		out, err := w.tenant.DeleteDoor(t.Context(), &permissionsv1.DeleteDoorRequest{OrgId: org, DoorId: door.GetId(), Etag: door.GetEtag()})
		noError(t, err)
		w.tenant.Token = out.GetToken()
		w.gone, w.doors, w.targets = append(w.gone, door.GetId()), w.doors[1:], w.targets[1:]
	}
}
