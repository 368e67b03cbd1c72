package permissions_test

import (
	"testing"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

const (
	central region.Name = "eu-central"
	west    region.Name = "eu-west"
	us      region.Name = "us-east"
)

// officeHours is Monday to Friday, 08:00 to 18:00.
func officeHours() *permissionsv1.ScheduleSpec {
	spec := &permissionsv1.ScheduleSpec{}
	for day := range int32(5) {
		spec.Weekly = append(spec.Weekly, &permissionsv1.WeeklyInterval{Weekday: day + 1, StartMinute: 8 * 60, EndMinute: 18 * 60})
	}
	return spec
}

func wantDecision(t *testing.T, got *permissionsv1.Decision, reason permissionsv1.DecisionReason, grant, schedule string) {
	t.Helper()
	outcome := permissionsv1.Outcome_OUTCOME_DENIED
	if reason == permissionsv1.DecisionReason_DECISION_REASON_GRANT {
		outcome = permissionsv1.Outcome_OUTCOME_GRANTED
	}
	if got.GetOutcome() != outcome || got.GetReason() != reason || got.GetGrantId() != grant || got.GetScheduleId() != schedule {
		t.Fatalf("decision %v\nwant %v %v, grant %q, schedule %q", got, outcome, reason, grant, schedule)
	}
}

const (
	granted = permissionsv1.DecisionReason_DECISION_REASON_GRANT
	noGrant = permissionsv1.DecisionReason_DECISION_REASON_NO_GRANT
	outside = permissionsv1.DecisionReason_DECISION_REASON_OUTSIDE_SCHEDULE
	notYet  = permissionsv1.DecisionReason_DECISION_REASON_NOT_YET_VALID
	expired = permissionsv1.DecisionReason_DECISION_REASON_EXPIRED
)

// nextMonday is a Monday at noon in Madrid, in the future: facts hold from when they are written.
func nextMonday(t *testing.T) time.Time {
	t.Helper()
	madrid, err := time.LoadLocation("Europe/Madrid")
	if err != nil {
		t.Fatal(err)
	}
	day := time.Now().In(madrid).AddDate(0, 0, 1)
	for day.Weekday() != time.Monday {
		day = day.AddDate(0, 0, 1)
	}
	return time.Date(day.Year(), day.Month(), day.Day(), 12, 0, 0, 0, madrid)
}

func TestAGrantOpensInsideItsScheduleUntilItIsRevoked(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	site := tenant.Site(t, "Europe/Madrid")
	door, other := tenant.Door(t, site), tenant.Door(t, site)
	person := tenant.Person(t)
	office := tenant.Schedule(t, site, officeHours())
	staff := tenant.Group(t, person)
	grant := tenant.Let(t, staff, door, office)
	noon := nextMonday(t)

	wantDecision(t, tenant.May(t, person, door, noon), granted, grant, office)
	wantDecision(t, tenant.May(t, person, door, noon.Add(8*time.Hour)), outside, grant, office)
	wantDecision(t, tenant.May(t, person, door, noon.AddDate(0, 0, -1)), outside, grant, office)
	wantDecision(t, tenant.May(t, person, other, noon), noGrant, "", "")
	wantDecision(t, tenant.May(t, tenant.Person(t), door, noon), noGrant, "", "")

	tenant.End(t, grant)
	wantDecision(t, tenant.May(t, person, door, noon), noGrant, "", "")
	wantDecision(t, tenant.May(t, person, door, time.Time{}), noGrant, "", "")
}

func TestTheDecisionNamesTheStateItWasMadeFrom(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	door := tenant.Door(t, tenant.Site(t, "UTC"))
	tenant.Let(t, tenant.Person(t), door, "")
	got := tenant.May(t, tenant.Person(t), door, time.Time{}).GetRevision()
	if got.GetVersion() != tenant.Token.GetVersion() || got.GetRegion() != "eu-central" || got.GetService() != "permissions" {
		t.Fatalf("revision %v, last write %v", got, tenant.Token)
	}
}

func TestAGrantHoldsInsideItsValidityOnly(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	door, person := tenant.Door(t, tenant.Site(t, "UTC")), tenant.Person(t)
	from := time.Now().Add(time.Hour).Truncate(time.Second)
	to := from.Add(time.Hour)
	visit := tenant.LetFor(t, person, door, "", from, to)
	for _, c := range []struct {
		at    time.Time
		want  permissionsv1.DecisionReason
		title string
	}{
		{from.Add(-time.Microsecond), notYet, "before"},
		{from, granted, "first moment"},
		{to.Add(-time.Microsecond), granted, "last moment"},
		{to, expired, "after"},
	} {
		t.Run(c.title, func(t *testing.T) {
			wantDecision(t, tenant.May(t, person, door, c.at), c.want, visit, "")
		})
	}
}

func TestAGrantRevokedBeforeItBeganNeverHolds(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	door, person := tenant.Door(t, tenant.Site(t, "UTC")), tenant.Person(t)
	from := time.Now().Add(time.Hour)
	tenant.End(t, tenant.LetFor(t, person, door, "", from, time.Time{}))
	for _, at := range []time.Time{{}, from.Add(-time.Minute), from, from.Add(time.Minute)} {
		wantDecision(t, tenant.May(t, person, door, at), noGrant, "", "")
	}
}

func TestAZoneGrantOpensEachOfItsDoors(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	site, annex := tenant.Site(t, "UTC"), tenant.Site(t, "UTC")
	one, two, outsideDoor := tenant.Door(t, site), tenant.Door(t, annex), tenant.Door(t, site)
	person := tenant.Person(t)
	grant := tenant.Let(t, person, tenant.Zone(t, one, two), "")
	wantDecision(t, tenant.May(t, person, one, time.Time{}), granted, grant, "")
	wantDecision(t, tenant.May(t, person, two, time.Time{}), granted, grant, "")
	wantDecision(t, tenant.May(t, person, outsideDoor, time.Time{}), noGrant, "", "")
}

func TestGroupsInGroupsAreFollowedUpwards(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	door, person := tenant.Door(t, tenant.Site(t, "UTC")), tenant.Person(t)
	team := tenant.Group(t, person)
	company := tenant.Group(t, tenant.Group(t, team))
	grant := tenant.Let(t, company, door, "")
	wantDecision(t, tenant.May(t, person, door, time.Time{}), granted, grant, "")

	tenant.Take(t, team, person)
	wantDecision(t, tenant.May(t, person, door, time.Time{}), noGrant, "", "")
	tenant.Add(t, team, person) // again: a second stay
	wantDecision(t, tenant.May(t, person, door, time.Time{}), granted, grant, "")
}

func TestAGroupOfTheNeighbourRegionIsOneDatabaseAway(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	there := svc.TenantOf(tenant.Org, west)
	door, person := tenant.Door(t, tenant.Site(t, "UTC")), there.Person(t)
	group := there.Group(t, person)
	grant := tenant.Let(t, group, door, "")
	wantDecision(t, tenant.May(t, person, door, time.Time{}), granted, grant, "")
}

func TestTheSameKeyAndRequestAreDoneOnce(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	req := &permissionsv1.CreateSiteRequest{
		OrgId: string(tenant.Org), Region: "eu-central", Name: "Office", TimeZone: "UTC", IdempotencyKey: "again",
	}
	first, err := tenant.CreateSite(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	second, err := tenant.CreateSite(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if first.GetSiteId() != second.GetSiteId() || first.GetToken().GetVersion() != second.GetToken().GetVersion() {
		t.Fatalf("first %v, second %v", first, second)
	}
}

func TestWritesThatChangeNothingCommitNothing(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	person := tenant.Person(t)
	group := tenant.Group(t, person)
	before := tenant.Token.GetVersion()
	tenant.Add(t, group, person)
	tenant.Take(t, group, tenant.Person(t))
	if after := tenant.Token.GetVersion(); after != before {
		t.Fatalf("version %d became %d", before, after)
	}
	door := tenant.Door(t, tenant.Site(t, "UTC"))
	grant := tenant.Let(t, person, door, "")
	tenant.End(t, grant)
	ended := tenant.Token.GetVersion()
	tenant.Group(t)
	tenant.End(t, grant)
	if again := tenant.Token.GetVersion(); again != ended {
		t.Fatalf("the second revocation names version %d, the first made %d", again, ended)
	}
}
