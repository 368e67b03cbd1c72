package permissions_test

import (
	"slices"
	"testing"
	"time"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func wantReason(t *testing.T, err error, want faultv1.Reason) {
	t.Helper()
	if !fault.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

func must[T any](t *testing.T, got T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func getDoor(t *testing.T, n *permissionstest.Tenant, id string) *permissionsv1.Door {
	t.Helper()
	got, err := n.GetDoor(t.Context(), &permissionsv1.GetDoorRequest{OrgId: string(n.Org), DoorId: id, AtLeast: []*typev1.ConsistencyToken{n.Token}})
	return must(t, got, err)
}

func TestTheLifeOfADoor(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	ctx, org := t.Context(), string(tenant.Org)
	site := tenant.Site(t, "Europe/Madrid")
	office := tenant.Schedule(t, site, officeHours())
	id := tenant.Door(t, site)
	first := getDoor(t, tenant, id)
	if first.GetName() != "Door" || first.GetUnlockFor().AsDuration() != 5*time.Second || first.GetRules() != nil || first.GetEtag() == "" {
		t.Fatalf("made %v", first)
	}

	update := &permissionsv1.UpdateDoorRequest{
		OrgId: org, DoorId: id, Etag: first.GetEtag(), Name: "Front door", UnlockFor: durationpb.New(7500 * time.Millisecond),
		Rules: &permissionsv1.DoorRules{
			AutoUnlockScheduleId: office, TwoPersonWindow: durationpb.New(30 * time.Second),
			FirstPerson:  &permissionsv1.FirstPersonRule{SubjectId: tenant.Group(t), Grace: durationpb.New(time.Hour), HoldOthers: true},
			SecondFactor: &permissionsv1.SecondFactorRule{ScheduleId: office},
			OnStateLoss:  permissionsv1.StateLoss_STATE_LOSS_ALLOW_AND_RECORD,
			Offline: &permissionsv1.OfflineRule{
				Budget: durationpb.New(12 * time.Hour), After: permissionsv1.OfflineAfter_OFFLINE_AFTER_EMERGENCY_LIST, EmergencySubjectId: tenant.Group(t),
			},
			HeldOpenAfter: durationpb.New(90 * time.Second),
		},
	}
	done, err := tenant.UpdateDoor(ctx, update)
	must(t, done, err)
	got := done.GetDoor()
	if got.GetName() != "Front door" || got.GetUnlockFor().AsDuration() != 7500*time.Millisecond || !proto.Equal(got.GetRules(), update.GetRules()) {
		t.Fatalf("updated to %v", got)
	}
	if read := getDoor(t, tenant, id); !proto.Equal(read, got) {
		t.Fatalf("read %v, the update said %v", read, got)
	}

	svc.Broker.WaitHead(t, central, done.GetToken())
	if fact := read(t, svc, central, org+".site."+site+".door."+id, &permissionsv1.DoorState{}); !proto.Equal(fact.GetRules(), got.GetRules()) {
		t.Fatalf("the gateways read %v", fact.GetRules())
	}

	again, err := tenant.UpdateDoor(ctx, update)
	must(t, again, err)
	if !proto.Equal(again, done) {
		t.Fatalf("the repetition answers %v, the first %v", again, done)
	}
	update.Name = "Back door"
	_, err = tenant.UpdateDoor(ctx, update)
	wantReason(t, err, faultv1.Reason_REASON_CONFLICT)

	_, err = tenant.DeleteDoor(ctx, &permissionsv1.DeleteDoorRequest{OrgId: org, DoorId: id, Etag: first.GetEtag()})
	wantReason(t, err, faultv1.Reason_REASON_CONFLICT)
	gone, err := tenant.DeleteDoor(ctx, &permissionsv1.DeleteDoorRequest{OrgId: org, DoorId: id, Etag: got.GetEtag()})
	must(t, gone, err)
	_, err = tenant.GetDoor(ctx, &permissionsv1.GetDoorRequest{OrgId: org, DoorId: id})
	wantReason(t, err, faultv1.Reason_REASON_NOT_FOUND)
	_, err = tenant.UpdateDoor(ctx, update)
	wantReason(t, err, faultv1.Reason_REASON_NOT_FOUND)
	twice, err := tenant.DeleteDoor(ctx, &permissionsv1.DeleteDoorRequest{OrgId: org, DoorId: id, Etag: got.GetEtag()})
	if must(t, twice, err); twice.GetToken().GetVersion() != gone.GetToken().GetVersion() {
		t.Fatalf("deleted at %v, and again at %v", gone, twice)
	}
}

func TestDoorsOfASiteAreListedToTheEnd(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	org := string(tenant.Org)
	site, annex := tenant.Site(t, "UTC"), tenant.Site(t, "UTC")
	var made []string
	for range 5 {
		made = append(made, tenant.Door(t, site))
		tenant.Door(t, annex)
	}
	req := &permissionsv1.ListSiteDoorsRequest{OrgId: org, SiteId: site, PageSize: 2, AtLeast: []*typev1.ConsistencyToken{tenant.Token}}
	var listed []string
	for page := 0; ; page++ {
		out, err := tenant.ListSiteDoors(t.Context(), req)
		must(t, out, err)
		for _, d := range out.GetDoors() {
			listed = append(listed, d.GetId())
		}
		if req.PageToken = out.GetNextPageToken(); req.GetPageToken() == "" {
			if page != 2 {
				t.Fatalf("%d pages", page+1)
			}
			break
		}
	}
	wantIDs(t, listed, made...)

	first, err := tenant.ListSiteDoors(t.Context(), &permissionsv1.ListSiteDoorsRequest{OrgId: org, SiteId: site, PageSize: 1})
	must(t, first, err)
	_, err = tenant.ListSiteDoors(t.Context(), &permissionsv1.ListSiteDoorsRequest{OrgId: org, SiteId: annex, PageToken: first.GetNextPageToken()})
	wantReason(t, err, faultv1.Reason_REASON_INVALID_FIELD)
	_, err = tenant.ListSchedules(t.Context(), &permissionsv1.ListSchedulesRequest{OrgId: org, SiteId: site, PageToken: first.GetNextPageToken()})
	wantReason(t, err, faultv1.Reason_REASON_INVALID_FIELD)
}

func TestOfTwoWritersOfOneDoorOneWins(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	id := tenant.Door(t, tenant.Site(t, "UTC"))
	etag := getDoor(t, tenant, id).GetEtag()
	const writers = 8
	outcomes := make(chan error, writers)
	for i := range writers {
		name := string(rune('A' + i))
		go func() {
			_, err := tenant.UpdateDoor(t.Context(), &permissionsv1.UpdateDoorRequest{OrgId: string(tenant.Org), DoorId: id, Etag: etag, Name: name})
			outcomes <- err
		}()
	}
	won := 0
	for range writers {
		switch err := <-outcomes; {
		case err == nil:
			won++
		case !fault.Is(err, faultv1.Reason_REASON_CONFLICT):
			t.Errorf("a loser reads %v", err)
		}
	}
	if won != 1 {
		t.Fatalf("%d writers won", won)
	}
}

func TestALateNewNameIsWrittenIntoThePast(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	id := tenant.Door(t, tenant.Site(t, "UTC"))
	made := getDoor(t, tenant, id)
	yesterday := time.Now().Add(-24 * time.Hour).Truncate(time.Microsecond)
	req := &permissionsv1.UpdateDoorRequest{
		OrgId: string(tenant.Org), DoorId: id, Etag: made.GetEtag(), Name: "Old name", EffectiveAt: timestamppb.New(yesterday),
	}
	out, err := tenant.UpdateDoor(t.Context(), req)
	must(t, out, err)
	again, err := tenant.UpdateDoor(t.Context(), req)
	if must(t, again, err); again.GetToken().GetVersion() != out.GetToken().GetVersion() {
		t.Fatalf("the repetition made %v after %v", again.GetToken(), out.GetToken())
	}
	// What was known before says Door, since it was made; what is known now says Old name, since yesterday.
	var name string
	var from time.Time
	row := svc.Database.DB.Pool().QueryRow(t.Context(), `SELECT name, valid_from FROM doors WHERE id = $1 AND superseded_at IS NULL`, id)
	if err := row.Scan(&name, &from); err != nil || name != "Old name" || !from.Equal(yesterday) {
		t.Fatalf("known now: %q since %v, %v", name, from, err)
	}
	var known int
	row = svc.Database.DB.Pool().QueryRow(t.Context(), `SELECT count(*) FROM doors WHERE id = $1 AND name = 'Door' AND superseded_at IS NOT NULL AND valid_to IS NULL`, id)
	if err := row.Scan(&known); err != nil || known != 1 {
		t.Fatalf("%d rows of what was known, %v", known, err)
	}
	req.Etag, req.EffectiveAt = out.GetDoor().GetEtag(), timestamppb.New(time.Now().Add(time.Hour))
	req.Name = "Tomorrow"
	_, err = tenant.UpdateDoor(t.Context(), req)
	wantReason(t, err, faultv1.Reason_REASON_CLOCK_NONSENSE)
}

func wantIDs(t *testing.T, got []string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("got %q\nwant %q", got, want)
	}
}
