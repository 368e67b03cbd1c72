package permissions_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/permissions/internal/postgres"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"github.com/cardea-mesh/cardea/services/policy"
	"github.com/cardea-mesh/cardea/services/policy/policytest"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// The scenario files of policy, asked through Check and AccessAt: the rows must give the same answers as the facts.
func TestScenariosOfPolicyThroughTheService(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	for i, scenario := range policytest.Scenarios(t) {
		t.Run(scenario.Name, func(t *testing.T) {
			tenant := svc.Tenant(t, central)
			ids := load(t, svc, tenant.Org, i, scenario)
			for _, e := range scenario.Expect {
				if e.Request.Credential != nil && e.Request.Credential.Status != policy.CredentialActive {
					continue // permissions knows people, not credentials
				}
				if e.Request.Person == "" {
					continue
				}
				t.Run(fmt.Sprintf("line %d at %s", e.Line, e.At.Format(time.RFC3339)), func(t *testing.T) {
					expect(t, tenant, ids, e)
				})
			}
		})
	}
}

func expect(t *testing.T, tenant *permissionstest.Tenant, ids map[string]region.ID, e policytest.Expectation) {
	t.Helper()
	door, person := string(ids[string(e.Request.Door)]), string(ids[string(e.Request.Person)])
	out, err := tenant.Check(t.Context(), &permissionsv1.CheckRequest{
		OrgId: string(tenant.Org), DoorId: door, PersonId: person, At: timestamppb.New(e.At),
	})
	if e.Want.Reason == policy.ReasonUnknownDoor {
		if !fault.Is(err, faultv1.Reason_REASON_NOT_FOUND) {
			t.Fatalf("unknown door: %v, %v", out, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	wantDecision(t, out.GetDecision(), permissionsv1.DecisionReason(e.Want.Reason),
		string(ids[aGrant+string(e.Want.Grant)]), string(ids[aSchedule+string(e.Want.Schedule)]))

	listed := func(req *permissionsv1.AccessAtRequest) bool {
		req.At = timestamppb.New(e.At)
		return slices.Contains(everybody(t, tenant, req), person+" "+door)
	}
	want := e.Want.Outcome == policy.Granted
	if got := listed(&permissionsv1.AccessAtRequest{DoorId: door}); got != want {
		t.Errorf("listed among the door's people: %v", got)
	}
	if got := listed(&permissionsv1.AccessAtRequest{PersonId: person, Region: "eu-central"}); got != want {
		t.Errorf("listed among the person's doors: %v", got)
	}
}

// sinceEver is a commit whose facts have held, and been known, for longer than any scenario asks.
type sinceEver struct{ grants.Commit }

func (sinceEver) At() time.Time { return time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC) }

// load writes a scenario's facts as they are, past the rules of commands: some are broken on purpose. It returns the ids
// of the scenario's names.
func load(t *testing.T, svc *permissionstest.Service, org region.ID, number int, s policytest.Scenario) map[string]region.ID {
	t.Helper()
	ids := name(number, s)
	regions := svc.Mesh.Regions
	store := postgres.New(postgres.Config{
		DB: svc.Database.DB, Regions: regions,
		Outbox: outbox.New(outbox.Config{Service: "permissions", Region: central, Regions: regions, AccessState: true}),
	})
	site := region.NewID(region.Site, "euc")
	err := store.Write(t.Context(), grants.Plan{Org: org, Home: central}, func(ctx context.Context, tx grants.Tx) error {
		real, err := tx.Commit(ctx, central, org)
		if err != nil {
			return err
		}
		c := sinceEver{real}
		err = tx.AddSite(ctx, c, grants.Site{ID: site, Org: org, Name: "Site", TimeZone: "UTC"})
		zones := map[policy.ZoneID][]region.ID{}
		for _, d := range s.Doors {
			err = first(err, tx.AddDoor(ctx, c, grants.Door{ID: ids[string(d.ID)], Org: org, Site: site, Name: "Door"}))
			for _, z := range d.Zones {
				zones[z] = append(zones[z], ids[string(d.ID)])
			}
		}
		for z, doors := range zones {
			err = first(err, tx.AddZone(ctx, c, grants.Zone{ID: ids[string(z)], Org: org, Site: site, Name: "Zone", Doors: doors}))
		}
		for id, schedule := range s.Schedules {
			err = first(err, tx.AddSchedule(ctx, c, grants.Schedule{
				ID: ids[aSchedule+string(id)], Org: org, Site: site, Name: "Schedule", TimeZone: schedule.TimeZone, Spec: schedule.Spec,
			}))
		}
		seen := map[grants.Membership]bool{}
		for _, m := range s.Members {
			if pair := (grants.Membership{Group: ids[string(m.Group)], Member: ids[string(m.Member)]}); !seen[pair] {
				seen[pair] = true
				err = first(err, tx.AddMembership(ctx, c, pair, c.At()))
			}
		}
		for _, g := range s.Grants {
			err = first(err, tx.AddGrant(ctx, c, grants.Grant{
				ID: ids[aGrant+string(g.ID)], Org: org, Subject: ids[string(g.Subject)], Target: ids[string(g.Target)],
				Schedule: ids[aSchedule+string(g.Schedule)], Site: site, Validity: grants.Validity{From: g.ValidFrom, To: g.ValidTo},
			}))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func first(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// A scenario may give a grant and a schedule the same name.
const (
	aGrant    = "grant "
	aSchedule = "schedule "
)

// name gives every name of a scenario an id, unlike those of other scenarios. Ids sort as their names do, because ties
// are broken by ids.
func name(number int, s policytest.Scenario) map[string]region.ID {
	kinds := map[string]region.Kind{}
	person := func(names ...string) {
		for _, n := range names {
			if _, known := kinds[n]; !known && n != "" {
				kinds[n] = region.Person
			}
		}
	}
	for _, d := range s.Doors {
		kinds[string(d.ID)] = region.Door
		for _, z := range d.Zones {
			kinds[string(z)] = region.Zone
		}
	}
	for _, m := range s.Members {
		kinds[string(m.Group)] = region.Group
	}
	for id := range s.Schedules {
		kinds[aSchedule+string(id)] = region.Schedule
	}
	for _, g := range s.Grants {
		kinds[aGrant+string(g.ID)] = region.Grant
		if g.Schedule != "" {
			kinds[aSchedule+string(g.Schedule)] = region.Schedule // it may be one that is not there
		}
		if _, known := kinds[string(g.Target)]; !known {
			kinds[string(g.Target)] = region.Zone // of no door
		}
	}
	for _, m := range s.Members {
		person(string(m.Member))
	}
	for _, g := range s.Grants {
		person(string(g.Subject))
	}
	for _, e := range s.Expect {
		if _, known := kinds[string(e.Request.Door)]; !known {
			kinds[string(e.Request.Door)] = region.Door
		}
		person(string(e.Request.Person))
	}
	ids := map[string]region.ID{}
	for i, n := range slices.Sorted(maps.Keys(kinds)) {
		ids[n] = region.ID(fmt.Sprintf("%s_euc_0%05d%020d", kinds[n], number, i))
	}
	return ids
}
