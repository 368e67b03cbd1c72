package rpc_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/permissions/internal/projection"
	"github.com/cardea-mesh/cardea/services/permissions/internal/rpc"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// one is a Source of one organization with a person, a group, a door and a grant between them.
type one struct {
	projection.Source
	rows projection.Rows
}

func (s one) Load(context.Context, region.ID, int64) (*projection.Rows, error) { return &s.rows, nil }

func newHandler(t testing.TB) (*rpc.Handler, *permissionsv1.CheckRequest) {
	regions, err := region.NewMap(map[region.Name]region.Spec{"eu-central": {Code: "euc", Jurisdiction: "eu"}})
	if err != nil {
		t.Fatal(err)
	}
	org, door, person, group := region.NewID(region.Organization, "euc"), region.NewID(region.Door, "euc"),
		region.NewID(region.Person, "euc"), region.NewID(region.Group, "euc")
	source := one{rows: projection.Rows{
		Heads:   []grants.Head{{Token: grants.Token{Service: "permissions", Region: "eu-central", Org: org, Version: 7}, RecordedAt: time.Now()}},
		Doors:   []projection.DoorRow{{Door: policy.Door{ID: policy.DoorID(door)}}},
		Members: []projection.LinkRow{{Home: "eu-central", Outer: string(group), Inner: string(person)}},
		Grants: []projection.GrantRow{{Grant: policy.Grant{
			ID: policy.GrantID(region.NewID(region.Grant, "euc")), Subject: policy.SubjectID(group), Target: policy.TargetID(door),
		}}},
	}}
	cache, err := projection.New(projection.Config{
		Source: source, Service: "permissions", Region: "eu-central", Regions: regions, Logger: slog.New(slog.DiscardHandler),
		Meter: noop.NewMeterProvider(), MaxUnconfirmed: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	h := &rpc.Handler{Commands: grants.Commands{Regions: regions}, Projection: cache, Now: time.Now}
	return h, &permissionsv1.CheckRequest{
		OrgId: string(org), DoorId: string(door), PersonId: string(person),
		AtLeast: []*typev1.ConsistencyToken{{Service: "permissions", Region: "eu-central", OrgId: string(org), Version: 7}},
	}
}

// The common case makes the answer (three messages), the tokens of the question, and nothing else.
func TestACheckMakesNothingButItsAnswer(t *testing.T) {
	h, req := newHandler(t)
	made := testing.AllocsPerRun(100, func() {
		if out, err := h.Check(t.Context(), req); err != nil || out.GetDecision().GetOutcome() != permissionsv1.Outcome_OUTCOME_GRANTED {
			t.Fatal(out, err)
		}
	})
	if made > 5 {
		t.Errorf("%v allocations", made)
	}
}

func BenchmarkCheck(b *testing.B) {
	h, req := newHandler(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Check(b.Context(), req); err != nil {
			b.Fatal(err)
		}
	}
}
