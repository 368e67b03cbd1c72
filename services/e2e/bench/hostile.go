package main

import (
	"context"
	"fmt"
	"time"

	"github.com/cardea-mesh/cardea/services/e2e/bench/hostile"
	"github.com/cardea-mesh/cardea/services/e2e/bench/lockwire"
	"github.com/cardea-mesh/cardea/services/e2e/bench/report"
	"github.com/cardea-mesh/cardea/services/e2e/bench/sample"
	"github.com/cardea-mesh/cardea/services/e2e/bench/system"
)

// hostilePeers attaches peers of each kind of package hostile to a gateway.
//
// hostile_memory: by how much a gateway that has just started grows for each of them, two seconds after they came. Floor: an idle lock
// at such a gateway, so a ratio of 1 says that nobody gets at its memory for less than a lock does. That of a deaf lock: one that asks
// as much and reads, since most of what either costs is the garbage of its answers. What the kernel holds for a socket is in neither
// figure. Each is the mean of some gateways: whether its garbage was just collected makes a factor of two.
//
// hostile_p99: door decisions of good locks at a gateway with as many peers of each kind at once. Floor: the same locks at
// the same gateway when the peers have left.
func (r *run) hostilePeers(ctx context.Context) ([]report.Result, error) {
	fleet, err := r.fleet(ctx)
	if err != nil {
		return nil, err
	}
	devices, err := fleet.Fabricate(ctx, r.hostile)
	if err != nil {
		return nil, err
	}
	peers := make([]hostile.Peer, len(devices))
	for i, d := range devices {
		peers[i] = hostile.Peer{Device: d.ID, TLS: d.TLS}
	}
	kinds := []hostile.Kind{
		hostile.Silent(), hostile.SlowHello(), hostile.SlowFrame(), hostile.Junk(), hostile.Deaf(peers, fleet.Cards[0]),
	}
	idle, err := r.atFreshGateway(ctx, fleet, func(g *system.Second) (func(), error) {
		locks := make([]*lockwire.Lock, len(devices))
		for i, d := range devices {
			if locks[i], err = lockwire.Dial(ctx, g.Locks, d.TLS); err == nil {
				err = locks[i].Greet(d.ID)
			}
			if err != nil {
				return func() { closeAll(locks) }, err
			}
		}
		return func() { closeAll(locks) }, nil
	})
	if err != nil {
		return nil, err
	}
	fmt.Printf("  an idle lock: %.0f bytes\n", idle)
	var results []report.Result
	for _, kind := range kinds {
		each, err := r.crowdAtFreshGateway(ctx, fleet, kind)
		if err != nil {
			return results, err
		}
		bare := idle
		if kind.Name == hostile.DeafName {
			if bare, err = r.crowdAtFreshGateway(ctx, fleet, hostile.Asking(peers, fleet.Cards[0])); err != nil {
				return results, err
			}
		}
		results = append(results, report.New("hostile_memory/"+kind.Name, "bytes", each, bare, report.AtMost(hostileMemory)))
	}
	delay, err := r.hostileDelay(ctx, fleet, kinds)
	return append(results, delay...), err
}

// Targets are ours: a stranger, and a lock that misbehaves, cost hardly more than a lock, and a good lock hardly notices.
const (
	hostileMemory = 1.5
	hostileDelay  = 1.5
)

// crowdAtFreshGateway is atFreshGateway for peers of a kind.
func (r *run) crowdAtFreshGateway(ctx context.Context, fleet *system.Fleet, kind hostile.Kind) (float64, error) {
	each, err := r.atFreshGateway(ctx, fleet, func(g *system.Second) (func(), error) {
		crowd, err := hostile.Attach(ctx, g.Locks, kind, r.hostile)
		if err != nil {
			return func() {}, err
		}
		return func() {
			fmt.Printf("  %s: %d of %d attached when they leave\n", kind.Name, crowd.Attached(), r.hostile)
			crowd.Leave()
		}, nil
	})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", kind.Name, err)
	}
	return each, nil
}

// atFreshGateway is by how much a gateway grows for each of what connect connects: the mean of as many gateways as there are rounds.
func (r *run) atFreshGateway(ctx context.Context, fleet *system.Fleet, connect func(*system.Second) (func(), error)) (mean float64, err error) {
	for range r.rounds {
		gateway, err := fleet.SecondGateway(ctx)
		if err != nil {
			return 0, err
		}
		each, err := grown(gateway.PID(), r.hostile, func() (func(), error) { return connect(gateway) })
		gateway.Stop()
		if err != nil {
			return 0, err
		}
		mean += each / float64(r.rounds)
	}
	return mean, nil
}

func (r *run) hostileDelay(ctx context.Context, fleet *system.Fleet, kinds []hostile.Kind) ([]report.Result, error) {
	gateway, err := fleet.SecondGateway(ctx)
	if err != nil {
		return nil, err
	}
	defer gateway.Stop()
	locks, err := fleet.ConnectTo(ctx, gateway.Locks, 0, len(fleet.Devices))
	defer closeAll(locks)
	if err != nil {
		return nil, err
	}
	plan := r.plan(hostileInFlight)
	asked := newAskers(plan.InFlight, locks, fleet.Cards)
	var with, without sample.Series
	for round := range 2 * plan.Rounds {
		into := &without
		var crowds []*hostile.Crowd
		if round%2 == 0 {
			into = &with
			for _, kind := range kinds {
				crowd, err := hostile.Attach(ctx, gateway.Locks, kind, r.hostile)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", kind.Name, err)
				}
				crowds = append(crowds, crowd)
			}
		}
		time.Sleep(settle)
		got, err := sample.Load(ctx, plan.InFlight, plan.Each, asked.ask)
		for _, c := range crowds {
			c.Leave()
		}
		if err != nil {
			return nil, err
		}
		into.Add(got)
	}
	fmt.Printf("  %d hostile peers: %d decisions, p50 %.2f ms; without: %d, p50 %.2f ms\n",
		len(kinds)*r.hostile, len(with.Took), with.Quantile(0.5), len(without.Took), without.Quantile(0.5))
	return []report.Result{
		report.New(fmt.Sprintf("hostile_p99/%d", plan.InFlight), "ms", with.Quantile(0.99), without.Quantile(0.99), report.AtMost(hostileDelay)),
	}, nil
}

// hostileInFlight is how many decisions good locks wait for at a time.
const hostileInFlight = 16
