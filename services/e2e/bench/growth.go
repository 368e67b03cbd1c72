package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/e2e/bench/report"
	"github.com/cardea-mesh/cardea/services/e2e/bench/sample"
	"github.com/cardea-mesh/cardea/services/e2e/bench/system"
)

// growth measures the same calls on the full data set, on one with ten times the people, and on one with ten times the
// doors. The floor of each line is the full data set's figure, so a ratio is what growing tenfold costs.
//
// What is documented (services/permissions/internal/projection): a check costs look-ups of the person's groups and the
// door's zones, not of all people or doors; the first answer loads the organization, in proportion to its rows; what a
// write costs the next reader is in proportion to what it changed.
func (r *run) growth(ctx context.Context) ([]report.Result, error) {
	base := system.Full.Divided(r.scale)
	people, doors := base, base
	people.People *= 10
	doors.Doors *= 10
	var results []report.Result
	var floor figures
	for _, g := range []struct {
		name string
		size system.Size
	}{{"", base}, {"people_x10", people}, {"doors_x10", doors}} {
		data, err := r.dataSet(ctx, g.size)
		if err != nil {
			return results, err
		}
		f, err := r.figures(ctx, data)
		if err != nil {
			return results, err
		}
		fmt.Printf("  %+v\n", f)
		if g.name == "" {
			floor = f
			continue
		}
		results = append(results,
			report.New("growth_first_check/"+g.name, "ms", f.first, floor.first, report.AtMost(12)),
			report.New("growth_check_p50/"+g.name, "ms", f.checkP50, floor.checkP50, report.AtMost(1.5)),
			report.New("growth_check_p99/"+g.name, "ms", f.checkP99, floor.checkP99, report.AtMost(2)),
			report.New("growth_list_doors_p50/"+g.name, "ms", f.listP50, floor.listP50, report.AtMost(12)),
			report.New("growth_write_then_check_p50/"+g.name, "ms", f.writeP50, floor.writeP50, report.AtMost(1.5)),
		)
	}
	return results, nil
}

// figures are what one data set costs, in milliseconds.
type figures struct {
	first, checkP50, checkP99, listP50, writeP50 float64
}

func (r *run) figures(ctx context.Context, data *system.DataSet) (figures, error) {
	ask := &checker{data: data, client: data.Permissions, outcomes: map[permissionsv1.Outcome]int{}}
	began := time.Now()
	if err := ask.ask(ctx, 0); err != nil {
		return figures{}, err
	}
	f := figures{first: float64(time.Since(began).Microseconds()) / 1e3}
	during := r.plan(1).Each
	checks, err := sample.Load(ctx, 1, during, ask.ask)
	if err != nil {
		return f, err
	}
	lists, err := sample.Load(ctx, 1, during, func(ctx context.Context, _ int) error {
		_, _, err := allDoors(ctx, data.Permissions, data.Org, data.People[rand.IntN(len(data.People))])
		return err
	})
	if err != nil {
		return f, err
	}
	writes, err := sample.Load(ctx, 1, during, func(ctx context.Context, _ int) error { return writeThenCheck(ctx, data) })
	f.checkP50, f.checkP99, f.listP50, f.writeP50 = checks.Quantile(0.5), checks.Quantile(0.99), lists.Quantile(0.5), writes.Quantile(0.5)
	return f, err
}

// writeThenCheck puts somebody into a group and asks about them with the token of the write.
func writeThenCheck(ctx context.Context, data *system.DataSet) error {
	person := data.People[rand.IntN(len(data.People))]
	done, err := data.Permissions.AddMember(ctx, &permissionsv1.AddMemberRequest{
		OrgId: data.Org, GroupId: data.Groups[rand.IntN(len(data.Groups))], MemberId: person,
	})
	if err != nil {
		return err
	}
	_, err = data.Permissions.Check(ctx, &permissionsv1.CheckRequest{
		OrgId: data.Org, DoorId: data.Doors[rand.IntN(len(data.Doors))], PersonId: person,
		AtLeast: []*typev1.ConsistencyToken{done.GetToken()},
	})
	return err
}
