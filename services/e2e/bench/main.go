// Command bench measures Cardea beside bare floors in the same run and says which targets are met. It starts the whole
// system as `make run` does, every part a process of its own; each floor is a process of its own, or a bare statement on the
// same database. Samples are taken in turn, A B A B.
//
//	bench [-only NAME,NAME] [-seconds S] [-rounds N] [-scale N] [-locks N] [-storm N] [-hostile N] [-history N] [-profile FOLDER]
//
// It prints a table and writes one JSON object a line. Exit code 0: everything was measured, whether targets were met or not;
// 1: something could not be measured; 2: wrong usage.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cardea-mesh/cardea/services/e2e/bench/floor"
	"github.com/cardea-mesh/cardea/services/e2e/bench/report"
	"github.com/cardea-mesh/cardea/services/e2e/bench/sample"
	"github.com/cardea-mesh/cardea/services/e2e/bench/system"
)

// options are the flags.
type options struct {
	state, only, profile string
	seconds              float64
	rounds, scale, locks int
	storm, history       int
	hostile              int
	floor, answer        string // this is a floor's process
}

func (o options) plan(inFlight int) sample.Plan {
	return sample.Plan{InFlight: inFlight, Rounds: o.rounds, Each: time.Duration(o.seconds * float64(time.Second))}
}

// run is what the benches share. The fleet is made when the first bench needs it.
type run struct {
	options
	system *system.System
	shared *system.Fleet
}

type bench struct {
	name string
	do   func(*run, context.Context) ([]report.Result, error)
}

var benches = []bench{
	{"door_decision", (*run).doorDecision},
	{"revoke_to_enforced", (*run).revokeToEnforced},
	{"check", (*run).check},
	{"list_doors", (*run).listDoors},
	{"growth", (*run).growth},
	{"ledger_append", (*run).ledgerAppend},
	{"grant_writes", (*run).grantWrites},
	{"event_ingest", (*run).eventIngest},
	{"lock_memory", (*run).lockMemory},
	{"reconnect_storm", (*run).reconnectStorm},
	{"hostile_peers", (*run).hostilePeers},
	{"access_at", (*run).accessAt},
}

func main() {
	runtime.LockOSThread() // see system.Start
	var o options
	flag.StringVar(&o.state, "state", ".local", "`folder` of .local: programs are in its bin; bench.jsonl goes there")
	flag.StringVar(&o.only, "only", "", "comma-separated `names` of benches, or their beginnings; empty: all")
	flag.Float64Var(&o.seconds, "seconds", 2, "length of a sample")
	flag.IntVar(&o.rounds, "rounds", 2, "samples of each side")
	flag.IntVar(&o.scale, "scale", 1, "divides the data set of check: 1 is the full one")
	flag.IntVar(&o.locks, "locks", 1000, "connections of lock_memory")
	flag.IntVar(&o.storm, "storm", 50_000, "locks of reconnect_storm")
	flag.IntVar(&o.hostile, "hostile", 500, "peers of each kind of hostile_peers")
	flag.IntVar(&o.history, "history", 10_000_000, "events of access_at's two years")
	flag.StringVar(&o.profile, "profile", "", "`folder` for a perf record of the loaded service while it is sampled")
	flag.StringVar(&o.floor, "floor", "", "internal: be the server of a floor")
	flag.StringVar(&o.answer, "answer", "", "internal: what an echo says, hex")
	flag.Parse()
	if flag.NArg() > 0 || o.seconds <= 0 || o.rounds < 1 || o.scale < 1 || o.scale > 100 || o.locks < 1 || o.storm < 1 || o.storm > maxLocks || o.hostile < 1 || o.history < 1000 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := func() error {
		if o.floor != "" {
			return floor.Main(o.floor, o.answer)
		}
		return measure(ctx, o)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// chosen are the benches of -only.
func chosen(only string) []bench {
	return slices.DeleteFunc(slices.Clone(benches), func(b bench) bool {
		return !slices.ContainsFunc(strings.Split(only, ","), func(name string) bool { return strings.HasPrefix(name, b.name) || strings.HasPrefix(b.name, name) })
	})
}

func measure(ctx context.Context, o options) (err error) {
	todo := chosen(o.only)
	if len(todo) == 0 {
		return fmt.Errorf("no bench is called %q", o.only)
	}
	if o.state, err = filepath.Abs(o.state); err != nil {
		return err
	}
	fmt.Println("starting the system")
	s, err := system.Start(ctx, filepath.Join(o.state, "bin"), filepath.Join(o.state, "bench"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	r := &run{options: o, system: s}
	var results []report.Result
	var failed []error
	for _, b := range todo {
		fmt.Printf("%s %s\n", time.Now().UTC().Format("15:04:05"), b.name)
		got, err := b.do(r, ctx)
		results = append(results, got...)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", b.name, err))
		}
	}
	fmt.Println()
	return errors.Join(append(failed, write(filepath.Join(o.state, "bench.jsonl"), results))...)
}

func write(path string, results []report.Result) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(report.JSONL(f, results), f.Close(), report.Table(os.Stdout, results))
}

// fleet is a small customer whose locks are measured: 256 locks, so that none is held back by what one may send (200 frames
// a second).
func (r *run) fleet(ctx context.Context) (*system.Fleet, error) {
	var err error
	if r.shared == nil {
		began := time.Now()
		r.shared, err = r.system.NewFleet(ctx, system.FleetSize{Locks: 256, People: 300, Groups: 30, Zones: 20, Grants: 600})
		fmt.Printf("  a fleet of 256 locks, 300 people, 30 groups, 20 zones, 600 memberships, 600 grants over the API: %s\n", time.Since(began).Round(time.Millisecond))
	}
	return r.shared, err
}
