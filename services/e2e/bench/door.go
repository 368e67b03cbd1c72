package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/e2e/bench/floor"
	"github.com/cardea-mesh/cardea/services/e2e/bench/lockwire"
	"github.com/cardea-mesh/cardea/services/e2e/bench/report"
	"github.com/cardea-mesh/cardea/services/e2e/bench/sample"
	"github.com/cardea-mesh/cardea/services/e2e/bench/system"
)

// doorDecision asks the gateway about cards, over all locks' open sessions in turn, some at a time. Floor: an echo with the
// same number of connections, whose answers are the bytes of a true decision; its client does the same work.
func (r *run) doorDecision(ctx context.Context) ([]report.Result, error) {
	fleet, err := r.fleet(ctx)
	if err != nil {
		return nil, err
	}
	n := len(fleet.Devices)
	ours, err := fleet.Connect(ctx, n)
	defer closeAll(ours)
	if err != nil {
		return nil, err
	}
	var first lockwirev1.AccessDecision
	if err := ours[0].Ask(fleet.Cards[0], &first); err != nil {
		return nil, err
	}
	frame, err := lockwire.AppendFrame(nil, lockwirev1.FrameType_FRAME_TYPE_ACCESS_DECISION, &first)
	if err != nil {
		return nil, err
	}
	echo, err := floor.Start(ctx, floor.EchoKind, frame)
	if err != nil {
		return nil, err
	}
	defer echo.Stop()
	bare, err := connectBare(ctx, echo, n)
	defer closeAll(bare)
	if err != nil {
		return nil, err
	}
	stop, err := r.record("device-gateway", "door_decision")
	if err != nil {
		return nil, err
	}
	defer stop()
	gateway, err := r.system.PID("device-gateway")
	if err != nil {
		return nil, err
	}
	var results []report.Result
	for _, inFlight := range []int{1, 16, 64} {
		asked, echoed := newAskers(inFlight, ours, fleet.Cards), newAskers(inFlight, bare, fleet.Cards)
		spent := system.Spending(gateway, echo.PID())
		a, b, err := sample.InTurn(ctx, r.plan(inFlight), asked.ask, echoed.ask)
		if err != nil {
			return results, err
		}
		cpu, err := spent()
		if err != nil {
			return results, err
		}
		fmt.Printf("  %d in flight: %d decisions, %.0f%% granted, p50 %.2f ms, CPU %.1f µs each; floor %d, p50 %.2f ms, CPU %.1f µs each\n",
			inFlight, len(a.Took), 100*asked.granted(), a.Quantile(0.5), microseconds(cpu[0], asked.asked()),
			len(b.Took), b.Quantile(0.5), microseconds(cpu[1], echoed.asked()))
		results = append(results,
			report.New(fmt.Sprintf("door_decision_throughput/%d", inFlight), "1/s", a.PerSecond(), b.PerSecond(), report.AtLeast(0.6)),
			report.New(fmt.Sprintf("door_decision_p99/%d", inFlight), "ms", a.Quantile(0.99), b.Quantile(0.99), report.AtMost(2)))
	}
	return results, nil
}

func connectBare(ctx context.Context, p *floor.Process, n int) ([]*lockwire.Lock, error) {
	locks := make([]*lockwire.Lock, n)
	var err error
	for i := range locks {
		if locks[i], err = lockwire.Dial(ctx, p.Address, p.Client); err != nil {
			return locks, err
		}
	}
	return locks, nil
}

func closeAll(locks []*lockwire.Lock) {
	for _, l := range locks {
		if l != nil {
			l.Close()
		}
	}
}

// askers share the locks out: each worker has its own, and uses them in turn.
type askers struct {
	locks   [][]*lockwire.Lock
	cards   []*lockwirev1.Card
	state   []asker
	workers int
}

type asker struct {
	decision        lockwirev1.AccessDecision
	random          *rand.Rand
	next            int
	asked, grantedN int      // of answers
	_               [64]byte // its neighbour is another goroutine's
}

func newAskers(workers int, locks []*lockwire.Lock, cards []*lockwirev1.Card) *askers {
	a := &askers{locks: make([][]*lockwire.Lock, workers), cards: cards, state: make([]asker, workers), workers: workers}
	for i, l := range locks {
		a.locks[i%workers] = append(a.locks[i%workers], l)
	}
	for i := range a.state {
		a.state[i].random = rand.New(rand.NewPCG(uint64(i), 7))
	}
	return a
}

func (a *askers) ask(_ context.Context, worker int) error {
	s, own := &a.state[worker], a.locks[worker]
	s.next = (s.next + 1) % len(own)
	if err := own[s.next].Ask(a.cards[s.random.IntN(len(a.cards))], &s.decision); err != nil {
		return err
	}
	s.asked++
	if s.decision.GetOutcome() == lockwirev1.Outcome_OUTCOME_GRANTED {
		s.grantedN++
	}
	return nil
}

// asked is how many were answered, those of warming up included.
func (a *askers) asked() (n int) {
	for i := range a.state {
		n += a.state[i].asked
	}
	return n
}

// granted is the share of decisions that opened.
func (a *askers) granted() float64 {
	granted := 0
	for i := range a.state {
		granted += a.state[i].grantedN
	}
	return float64(granted) / float64(max(1, a.asked()))
}

// microseconds is what one of n took of a time.
func microseconds(d time.Duration, n int) float64 {
	return float64(d.Nanoseconds()) / 1e3 / float64(max(1, n))
}
