package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/cardea-mesh/cardea/services/device-gateway/locksim/fleet"
)

const fleetUsage = `usage: lock-simulator fleet provision | run | verify [flags]

  provision  make the doors, devices, people and cards that the folder -dir does not have yet, and enrol the locks
  run        let the locks of the folder live until -for is over or Ctrl-C; progress on stderr, a JSON summary on stdout
  verify     look in the ledger for every event that a run was told is durable; exit status 3 when one is missing
             or doubled

The API key of the organization is read from the environment (CARDEA_API_KEY) or from -key-file.
Each has -h. services/device-gateway/README.md has an example.
`

// errDiffers: verify found something.
var errDiffers = errors.New("the ledger is not what the locks were told")

// fleetMain returns the exit status: 0 as expected, 1 a failure, 2 wrong usage, 3 a ledger that differs.
func fleetMain(args []string) int {
	commands := map[string]func(context.Context, []string) error{
		"provision": fleetProvision, "run": fleetRun, "verify": fleetVerify, "part": fleetPart,
	}
	if len(args) == 0 || commands[args[0]] == nil {
		fmt.Fprint(os.Stderr, fleetUsage)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C does not wait for the drain
	err := commands[args[0]](ctx, args[1:])
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	}
	fmt.Fprintln(os.Stderr, "lock-simulator:", err)
	if errors.Is(err, errDiffers) {
		return 3
	}
	return 1
}

// errUsage was told already.
var errUsage = errors.New("usage")

func parseFlags(flags *flag.FlagSet, args []string) error {
	err := flags.Parse(args)
	if err == nil && flags.NArg() > 0 {
		fmt.Fprintf(flags.Output(), "%q is not expected\n", flags.Arg(0))
		err = errUsage
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		err = errUsage
	}
	return err
}

// apiFlags are where the API is.
type apiFlags struct {
	api     fleet.API
	keyFile string
	org     string
	region  string
}

func (a *apiFlags) register(flags *flag.FlagSet) {
	flags.StringVar(&a.org, "org", "", "the organization's `id`")
	flags.StringVar(&a.region, "region", "", "the `name` of the fleet's region")
	flags.StringVar(&a.api.CAFile, "ca", "", "`file` (PEM) of the servers' authority; default: the system's")
	flags.StringVar(&a.keyFile, "key-file", "", "`file` with an API key of the organization; default: CARDEA_API_KEY")
}

func (a *apiFlags) read() error {
	a.api.Key = os.Getenv("CARDEA_API_KEY")
	if a.keyFile == "" {
		return nil
	}
	text, err := os.ReadFile(a.keyFile)
	a.api.Key = strings.TrimSpace(string(text))
	return err
}

func fleetProvision(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("fleet provision", flag.ContinueOnError)
	var api apiFlags
	var cfg fleet.Provisioning
	api.register(flags)
	flags.StringVar(&api.api.Identity, "identity", "", "`URL` of identity in the region")
	flags.StringVar(&api.api.Permissions, "permissions", "", "`URL` of permissions in the region")
	flags.StringVar(&api.api.Gateway, "gateway", "", "`URL` of the device gateway's API in the region")
	flags.StringVar(&cfg.Gateway, "enrol", "", "`address` (host:port) where locks dial")
	flags.StringVar(&cfg.Dir, "dir", "", "the fleet's `folder`; it holds private keys")
	flags.IntVar(&cfg.Locks, "locks", 100, "`number` of locks, each at a door of its own")
	flags.IntVar(&cfg.People, "people", 1000, "`number` of people, each with a card; nine of ten may open every door")
	flags.IntVar(&cfg.AtOnce, "at-once", 32, "`number` of calls under way")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if err := api.read(); err != nil {
		return err
	}
	var told time.Time
	cfg.API, cfg.Org, cfg.Region = api.api, api.org, api.region
	cfg.Progress = func(what string, made, of int) {
		if now := time.Now(); now.Sub(told) > time.Second || made == of {
			told = now
			fmt.Fprintf(os.Stderr, "%s %d of %d\n", what, made, of)
		}
	}
	return fleet.Provision(ctx, cfg)
}

// lifeFlags are how a fleet lives.
func lifeFlags(flags *flag.FlagSet) *fleet.Config {
	cfg := new(fleet.Config)
	flags.StringVar(&cfg.Dir, "dir", "", "the fleet's `folder`")
	flags.IntVar(&cfg.Locks, "locks", 0, "`number` of locks; default all of the folder")
	flags.IntVar(&cfg.Sources, "sources", 0, "`number` of loopback addresses that they dial from; default one for 32 locks, -1: the system's choice")
	flags.DurationVar(&cfg.Duration, "for", 0, "how long they live; default until Ctrl-C")
	flags.DurationVar(&cfg.Drain, "drain", 30*time.Second, "how long to wait at the end for events to become durable")
	flags.Float64Var(&cfg.Ramp, "ramp", 500, "how many locks begin to connect in a second")
	flags.DurationVar(&cfg.BackoffMax, "backoff-max", time.Minute, "the locks' longest wait before a reconnect")
	flags.Uint64Var(&cfg.Seed, "seed", 0, "`number` that the scripts follow from; default drawn and printed")
	flags.Float64Var(&cfg.Speed, "speed", 144, "how much faster than true time the day goes; 144 is a day in ten minutes")
	flags.DurationVar(&cfg.StartAt, "start-at", 6*time.Hour, "the day's clock at the start")
	flags.Float64Var(&cfg.SwipesPerDay, "swipes", 20, "swipes of a lock in a day")
	flags.Float64Var(&cfg.Unknown, "unknown", 0.05, "share of swipes with a card that nobody has")
	flags.Float64Var(&cfg.OfflinePerDay, "offline", 0.2, "offline spells of a lock in a day")
	flags.DurationVar(&cfg.OfflineFor, "offline-for", time.Hour, "length of an offline spell on average, by the day's clock")
	flags.Float64Var(&cfg.HalfOpenPerDay, "half-open", 0.02, "connections of a lock in a day that go dead without a word")
	flags.Float64Var(&cfg.RebootsPerDay, "reboots", 0.1, "boots of a lock in a day, half of them after a power failure")
	flags.StringVar(&cfg.Acked, "acked", "", "`file` that gets every event which a lock was told is durable")
	flags.Func("endpoint", "`address` (host:port) to dial before those that the locks were told; may be repeated", func(s string) error {
		cfg.Endpoints = append(cfg.Endpoints, s)
		return nil
	})
	return cfg
}

func fleetRun(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("fleet run", flag.ContinueOnError)
	cfg := lifeFlags(flags)
	processes := flags.Int("processes", 1, "`number` of processes that share the locks")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if err := complete(cfg, *processes); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "seed", cfg.Seed)
	var summary fleet.Summary
	var err error
	if *processes > 1 {
		summary, err = fleet.LiveIn(ctx, *processes, *cfg, startPart, os.Stderr)
	} else {
		summary, err = fleet.Live(ctx, *cfg, os.Stderr)
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	return errors.Join(err, out.Encode(summary))
}

// complete fills in what only this machine and the folder know, and refuses what does not fit.
func complete(cfg *fleet.Config, processes int) error {
	if processes < 1 {
		return fmt.Errorf("%d processes: at least one", processes)
	}
	if cfg.Seed == 0 {
		cfg.Seed = rand.Uint64N(1 << 53) // a number that JSON readers do not round
	}
	if cfg.Locks == 0 {
		var err error
		if cfg.Locks, err = fleet.Count(cfg.Dir); err != nil {
			return err
		}
	}
	if err := cfg.Validate(); err != nil {
		return err
	}
	room, err := fleet.RaiseFileLimit()
	if err != nil {
		return err
	}
	return fleet.Fits((cfg.Locks+processes-1)/processes, room)
}

// part is what one process of several is told, on its standard input.
type part struct {
	Config fleet.Config
	Skip   uint64
}

// startPart is a fleet.Starter: this program again. The part ends when its standard input does, so it never outlives this one.
func startPart(cfg fleet.Config, skip uint64) (reports io.Reader, stop func(), wait func() error, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, nil, err
	}
	child := exec.Command(self, "fleet", "part")
	child.Stderr = os.Stderr
	// Its own group: Ctrl-C reaches it through its standard input alone.
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := child.StdinPipe()
	if err != nil {
		return nil, nil, nil, err
	}
	if reports, err = child.StdoutPipe(); err != nil {
		return nil, nil, nil, err
	}
	if err := child.Start(); err != nil {
		return nil, nil, nil, err
	}
	if err := json.NewEncoder(in).Encode(part{Config: cfg, Skip: skip}); err != nil {
		in.Close()
		return nil, nil, nil, errors.Join(err, child.Wait())
	}
	return reports, func() { in.Close() }, child.Wait, nil
}

// fleetPart is one process of several.
func fleetPart(ctx context.Context, _ []string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in := json.NewDecoder(os.Stdin)
	var p part
	if err := in.Decode(&p); err != nil {
		return fmt.Errorf("this is called by `lock-simulator fleet run -processes`: %w", err)
	}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if _, err := fleet.RaiseFileLimit(); err != nil {
		return err
	}
	return fleet.Part(ctx, p.Config, p.Skip, os.Stdout)
}

func fleetVerify(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("fleet verify", flag.ContinueOnError)
	var api apiFlags
	var cfg fleet.Verification
	api.register(flags)
	flags.StringVar(&api.api.Audit, "audit", "", "`URL` of audit in the region")
	flags.StringVar(&cfg.Acked, "acked", "", "`file` that a run wrote")
	flags.DurationVar(&cfg.Wait, "wait", time.Minute, "how long to wait for what the ledger does not have yet")
	inOrder := flags.Bool("in-order", false, "events that arrived out of order are a difference too; queries sort them all the same")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if err := api.read(); err != nil {
		return err
	}
	cfg.API, cfg.Org, cfg.Region = api.api, api.org, api.region
	found, err := fleet.Verify(ctx, cfg)
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	if err := out.Encode(found); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%d acknowledged events of %d locks: %d missing, %d doubled, %d out of order\n",
		found.Acknowledged, found.Locks, found.Missing, found.Doubled, found.OutOfOrder)
	if found.Missing > 0 || found.Doubled > 0 || found.OutOfOrder > 0 && *inOrder {
		return errDiffers
	}
	return nil
}
