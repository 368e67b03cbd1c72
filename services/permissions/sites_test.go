package permissions_test

import (
	"testing"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/proto"
)

func getSite(t *testing.T, n *permissionstest.Tenant, id string) *permissionsv1.Site {
	t.Helper()
	got, err := n.GetSite(t.Context(), &permissionsv1.GetSiteRequest{OrgId: string(n.Org), SiteId: id, AtLeast: n.Latest()})
	return must(t, got, err)
}

func getSchedule(t *testing.T, n *permissionstest.Tenant, id string) *permissionsv1.Schedule {
	t.Helper()
	got, err := n.GetSchedule(t.Context(), &permissionsv1.GetScheduleRequest{OrgId: string(n.Org), ScheduleId: id, AtLeast: n.Latest()})
	return must(t, got, err)
}

func TestTheLifeOfASite(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	ctx, org := t.Context(), string(tenant.Org)
	id, other := tenant.Site(t, "UTC"), tenant.Site(t, "UTC")
	first := getSite(t, tenant, id)
	update := &permissionsv1.UpdateSiteRequest{OrgId: org, SiteId: id, Etag: first.GetEtag(), Name: "Annex", TimeZone: "Europe/Madrid"}
	done, err := tenant.UpdateSite(ctx, update)
	must(t, done, err)
	if got := getSite(t, tenant, id); !proto.Equal(got, done.GetSite()) || got.GetName() != "Annex" || got.GetTimeZone() != "Europe/Madrid" {
		t.Fatalf("read %v, the update said %v", got, done.GetSite())
	}
	again, err := tenant.UpdateSite(ctx, update)
	if must(t, again, err); !proto.Equal(again, done) {
		t.Fatalf("the repetition answers %v, the first %v", again, done)
	}
	update.Name = "Elsewhere"
	_, err = tenant.UpdateSite(ctx, update)
	wantReason(t, err, faultv1.Reason_REASON_CONFLICT)

	listed, err := tenant.ListSites(ctx, &permissionsv1.ListSitesRequest{OrgId: org, Region: "eu-central"})
	must(t, listed, err)
	var ids []string
	for _, s := range listed.GetSites() {
		ids = append(ids, s.GetId())
	}
	wantIDs(t, ids, id, other)

	// A door or a schedule keeps it.
	remove := &permissionsv1.DeleteSiteRequest{OrgId: org, SiteId: id, Etag: done.GetSite().GetEtag()}
	door, schedule := tenant.Door(t, id), tenant.Schedule(t, id, officeHours())
	lockdown := tenant.LockDown(t, id, 10)
	_, err = tenant.DeleteSite(ctx, remove)
	wantReason(t, err, faultv1.Reason_REASON_STATE_FORBIDS)
	_, err = tenant.DeleteDoor(ctx, &permissionsv1.DeleteDoorRequest{OrgId: org, DoorId: door, Etag: getDoor(t, tenant, door).GetEtag()})
	must(t, door, err)
	_, err = tenant.DeleteSite(ctx, remove)
	wantReason(t, err, faultv1.Reason_REASON_STATE_FORBIDS)
	_, err = tenant.DeleteSchedule(ctx, &permissionsv1.DeleteScheduleRequest{OrgId: org, ScheduleId: schedule, Etag: getSchedule(t, tenant, schedule).GetEtag()})
	must(t, schedule, err)
	gone, err := tenant.DeleteSite(ctx, remove)
	must(t, gone, err)
	if twice, err := tenant.DeleteSite(ctx, remove); must(t, twice, err).GetToken().GetVersion() != gone.GetToken().GetVersion() {
		t.Fatalf("deleted at %v, and again at %v", gone, twice)
	}
	for _, l := range lockdowns(t, tenant) {
		if l.GetId() == lockdown {
			t.Error("its lockdown goes on")
		}
	}
	_, err = tenant.GetSite(ctx, &permissionsv1.GetSiteRequest{OrgId: org, SiteId: id})
	wantReason(t, err, faultv1.Reason_REASON_NOT_FOUND)
	_, err = tenant.ListSiteDoors(ctx, &permissionsv1.ListSiteDoorsRequest{OrgId: org, SiteId: id})
	wantReason(t, err, faultv1.Reason_REASON_NOT_FOUND)
}

func TestSchedulesMoveWithTheirSite(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	org := string(tenant.Org)
	site := tenant.Site(t, "Europe/Madrid")
	door, office := tenant.Door(t, site), tenant.Schedule(t, site, officeHours())
	person := tenant.Person(t)
	grant := tenant.Let(t, person, door, office)
	noon := nextMonday(t) // in Madrid; the evening in Tokyo
	wantDecision(t, tenant.May(t, person, door, noon), granted, grant, office)
	before := getSchedule(t, tenant, office)

	out, err := tenant.UpdateSite(t.Context(), &permissionsv1.UpdateSiteRequest{
		OrgId: org, SiteId: site, Etag: getSite(t, tenant, site).GetEtag(), Name: "Site", TimeZone: "Asia/Tokyo",
	})
	tenant.Token = must(t, out, err).GetToken()
	wantDecision(t, tenant.May(t, person, door, noon), outside, grant, office)
	after := getSchedule(t, tenant, office)
	if after.GetTimeZone() != "Asia/Tokyo" || after.GetEtag() == before.GetEtag() || !proto.Equal(after.GetSpec(), before.GetSpec()) {
		t.Fatalf("before %v, after %v", before, after)
	}
	svc.Broker.WaitHead(t, west, tenant.Token)
	if s := read(t, svc, west, org+".site."+site+".schedule."+office, &permissionsv1.ScheduleState{}); s.GetTimeZone() != "Asia/Tokyo" {
		t.Errorf("the gateways' schedule: %v", s)
	}
	if d := read(t, svc, west, org+".site."+site+".door."+door, &permissionsv1.DoorState{}); d.GetTimeZone() != "Asia/Tokyo" {
		t.Errorf("the gateways' door: %v", d)
	}
	wantKinds(t, svc, tenant.Token.GetVersion(), "site_updated", "schedule_updated")
}

// wantKinds checks which events a commit of a service with one tenant has made.
func wantKinds(t *testing.T, svc *permissionstest.Service, version int64, want ...string) {
	t.Helper()
	var got []string
	svc.Broker.Wait(t, "the commit's events", func() bool {
		got = nil
		for _, ev := range svc.Broker.Events("") {
			if ev.GetOrgVersion() == version {
				got = append(got, ev.GetKind())
			}
		}
		return len(got) >= len(want)
	})
	wantSame(t, got, want)
}

func wantSame(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %q\nwant %q", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("got %q\nwant %q", got, want)
		}
	}
}
