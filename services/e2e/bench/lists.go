package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	"github.com/cardea-mesh/cardea/services/e2e/bench/floor"
	"github.com/cardea-mesh/cardea/services/e2e/bench/report"
	"github.com/cardea-mesh/cardea/services/e2e/bench/sample"
	"github.com/cardea-mesh/cardea/services/e2e/bench/system"
)

// listDoors asks for all doors of random people, each list whole, 16 in flight. Floor: a bare handler that answers with a
// page as long as the average list is.
func (r *run) listDoors(ctx context.Context) ([]report.Result, error) {
	data, err := r.dataSet(ctx, system.Full.Divided(r.scale))
	if err != nil {
		return nil, err
	}
	bare, err := floor.Start(ctx, floor.ConnectKind, nil)
	if err != nil {
		return nil, err
	}
	defer bare.Stop()
	handler := bareClient(bare)
	average, err := averageList(ctx, data)
	if err != nil {
		return nil, err
	}
	const inFlight = 16
	var pages, doors, lists atomic.Int64
	ours := func(ctx context.Context, _ int) error {
		listed, n, err := allDoors(ctx, data.Permissions, data.Org, data.People[rand.IntN(len(data.People))])
		pages.Add(n)
		doors.Add(listed)
		lists.Add(1)
		return err
	}
	flat := func(ctx context.Context, _ int) error {
		_, err := handler.ListDoors(ctx, &permissionsv1.ListDoorsRequest{OrgId: data.Org, PageSize: average})
		return err
	}
	a, b, err := sample.InTurn(ctx, r.plan(inFlight), ours, flat)
	if err != nil {
		return nil, err
	}
	fmt.Printf("  %d lists of %.1f doors in %.2f pages; p50 %.2f ms; floor: %d doors, p50 %.2f ms\n",
		lists.Load(), float64(doors.Load())/float64(lists.Load()), float64(pages.Load())/float64(lists.Load()), a.Quantile(0.5), average, b.Quantile(0.5))
	return []report.Result{
		report.New("list_doors/16", "1/s", a.PerSecond(), b.PerSecond(), report.AtLeast(0.5)),
		report.New("list_doors_p99/16", "ms", a.Quantile(0.99), b.Quantile(0.99), report.AtMost(3)),
	}, nil
}

// averageList is how many doors people may open, of a hundred of them.
func averageList(ctx context.Context, data *system.DataSet) (int32, error) {
	const people = 100
	var all int64
	for range people {
		n, _, err := allDoors(ctx, data.Permissions, data.Org, data.People[rand.IntN(len(data.People))])
		if err != nil {
			return 0, err
		}
		all += n
	}
	return int32(max(1, all/people)), nil //nolint:gosec // at most a page
}

// allDoors reads a list to its end.
func allDoors(ctx context.Context, client permissionsv1connect.PermissionsServiceClient, org, person string) (doors, pages int64, err error) {
	req := &permissionsv1.ListDoorsRequest{OrgId: org, Region: system.Home, PersonId: person, PageSize: 1000}
	for {
		page, err := client.ListDoors(ctx, req)
		if err != nil {
			return doors, pages, err
		}
		doors += int64(len(page.GetDoors()))
		pages++
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			return doors, pages, nil
		}
	}
}
