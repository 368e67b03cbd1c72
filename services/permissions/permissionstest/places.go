package permissionstest

import (
	"testing"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
)

// ZoneOf makes a zone of doors and zones.
func (n *Tenant) ZoneOf(t testing.TB, doors, zones []string) string {
	t.Helper()
	out, err := n.CreateZone(t.Context(), &permissionsv1.CreateZoneRequest{
		OrgId: string(n.Org), Region: string(n.Home), Name: "Zone", DoorIds: doors, ZoneIds: zones, IdempotencyKey: n.Once(),
	})
	must(t, err)
	n.Token = out.GetToken()
	return out.GetZoneId()
}

// Calendar makes a holiday calendar of dates.
func (n *Tenant) Calendar(t testing.TB, dates ...string) string {
	t.Helper()
	req := &permissionsv1.CreateHolidayCalendarRequest{OrgId: string(n.Org), Region: string(n.Home), Name: "Calendar", IdempotencyKey: n.Once()}
	for _, date := range dates {
		req.Holidays = append(req.Holidays, &permissionsv1.Holiday{Date: date, Name: "Holiday"})
	}
	out, err := n.CreateHolidayCalendar(t.Context(), req)
	must(t, err)
	n.Token = out.GetToken()
	return out.GetCalendarId()
}

// LockDown starts a lockdown of a door, a zone or a site that lasts until it is ended.
func (n *Tenant) LockDown(t testing.TB, target string, rank int32) string {
	t.Helper()
	out, err := n.StartLockdown(t.Context(), &permissionsv1.StartLockdownRequest{
		OrgId: string(n.Org), TargetId: target, Rank: rank, Note: "Drill", IdempotencyKey: n.Once(),
	})
	must(t, err)
	n.Token = out.GetToken()
	return out.GetLockdownId()
}

// Latest asks for an answer that has the last write.
func (n *Tenant) Latest() []*typev1.ConsistencyToken { return []*typev1.ConsistencyToken{n.Token} }
