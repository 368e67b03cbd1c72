package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	"github.com/cardea-mesh/cardea/services/e2e/bench/floor"
	"github.com/cardea-mesh/cardea/services/e2e/bench/report"
	"github.com/cardea-mesh/cardea/services/e2e/bench/sample"
	"github.com/cardea-mesh/cardea/services/e2e/bench/system"
)

// writesPerSecond go on while checks are measured, so that an answer from a memory that nobody keeps fresh gains nothing.
const writesPerSecond = 10

// check asks about random pairs of a person and a door, while ten memberships a second are written, also while the floor is
// sampled. Floor: a bare Connect handler in a process of its own, with the same messages and credentials, over the same kind
// of HTTP/2 client and TLS 1.3.
func (r *run) check(ctx context.Context) ([]report.Result, error) {
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
	stop, err := r.record("permissions", "check")
	if err != nil {
		return nil, err
	}
	defer stop()
	written := make(chan error, 1)
	writing, end := context.WithCancel(ctx)
	go func() { written <- keepWriting(writing, data) }()
	results, err := checks(ctx, r, data, handler)
	if err == nil {
		var more []report.Result
		more, err = timeWindow(ctx, r, data, handler)
		results = append(results, more...)
	}
	end()
	if writeErr := <-written; err == nil && writeErr != nil {
		err = fmt.Errorf("the writes beside the checks: %w", writeErr)
	}
	return results, err
}

func checks(ctx context.Context, r *run, data *system.DataSet, bare permissionsv1connect.PermissionsServiceClient) ([]report.Result, error) {
	var results []report.Result
	for _, inFlight := range []int{1, 16, 64, 256} {
		ours := &checker{data: data, client: data.Permissions, outcomes: map[permissionsv1.Outcome]int{}}
		floor := &checker{data: data, client: bare, outcomes: map[permissionsv1.Outcome]int{}}
		a, b, err := sample.InTurn(ctx, r.plan(inFlight), ours.ask, floor.ask)
		if err != nil {
			return results, err
		}
		fmt.Printf("  %d in flight: %v, p50 %.2f ms; floor p50 %.2f ms\n", inFlight, ours.outcomes, a.Quantile(0.5), b.Quantile(0.5))
		results = append(results,
			report.New(fmt.Sprintf("check_throughput/%d", inFlight), "1/s", a.PerSecond(), b.PerSecond(), report.AtLeast(0.8)),
			report.New(fmt.Sprintf("check_p99/%d", inFlight), "ms", a.Quantile(0.99), b.Quantile(0.99), report.AtMost(1.5)))
	}
	return results, nil
}

// timeWindow asks about pairs between which there is a grant with a schedule and an end, so that both are judged each time.
func timeWindow(ctx context.Context, r *run, data *system.DataSet, bare permissionsv1connect.PermissionsServiceClient) ([]report.Result, error) {
	const inFlight = 16
	ours := &checker{data: data, client: data.Permissions, outcomes: map[permissionsv1.Outcome]int{}, windows: true}
	floor := &checker{data: data, client: bare, outcomes: map[permissionsv1.Outcome]int{}, windows: true}
	a, b, err := sample.InTurn(ctx, r.plan(inFlight), ours.ask, floor.ask)
	if err != nil {
		return nil, err
	}
	fmt.Printf("  time windows, %d in flight: %v\n", inFlight, ours.outcomes)
	return []report.Result{
		report.New("check_time_window/16", "1/s", a.PerSecond(), b.PerSecond(), report.AtLeast(0.8)),
		report.New("check_time_window_p99/16", "ms", a.Quantile(0.99), b.Quantile(0.99), report.AtMost(1.5)),
	}, nil
}

// dataSet makes a data set and says how big it is.
func (r *run) dataSet(ctx context.Context, size system.Size) (*system.DataSet, error) {
	began := time.Now()
	data, err := r.system.NewDataSet(ctx, size)
	if err != nil {
		return nil, err
	}
	fmt.Printf("  %d people, %d groups, %d doors, %d relations by COPY: %s\n",
		len(data.People), len(data.Groups), len(data.Doors), data.Relations, time.Since(began).Round(time.Millisecond))
	return data, nil
}

func bareClient(bare *floor.Process) permissionsv1connect.PermissionsServiceClient {
	return permissionsv1connect.NewPermissionsServiceClient(system.Client(bare.Client), "https://"+bare.Address, system.Bearer("bench"))
}

// checker is safe for concurrent use.
type checker struct {
	data   *system.DataSet
	client permissionsv1connect.PermissionsServiceClient
	// windows: about pairs with a time window, instead of random ones.
	windows bool

	mu       sync.Mutex
	outcomes map[permissionsv1.Outcome]int
}

func (c *checker) ask(ctx context.Context, _ int) error {
	person, door := c.data.People[rand.IntN(len(c.data.People))], c.data.Doors[rand.IntN(len(c.data.Doors))]
	if c.windows {
		pair := c.data.Windows[rand.IntN(len(c.data.Windows))]
		person, door = pair[0], pair[1]
	}
	got, err := c.client.Check(ctx, &permissionsv1.CheckRequest{OrgId: c.data.Org, DoorId: door, PersonId: person})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outcomes[got.GetDecision().GetOutcome()]++
	return nil
}

// keepWriting puts people into groups, in order and at a rate, until ctx ends.
func keepWriting(ctx context.Context, data *system.DataSet) error {
	tick := time.NewTicker(time.Second / writesPerSecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := data.Join(ctx, data.Groups[i%len(data.Groups)], data.People[rand.IntN(len(data.People))])
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
}
