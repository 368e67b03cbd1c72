// Command lock-conformance runs the rules of PROTOCOL.md against a gateway or a lock, and prints what became of each.
//
//	lock-conformance gateway -address HOST:PORT -claim CODE [-claim CODE ...] [-card FACILITY-NUMBER] [-slow]   plays a lock
//	lock-conformance lock -listen HOST:PORT [-auto]                                            plays a gateway
//
// As a gateway it prints the claim code and asks on standard output for what somebody has to do at the lock under test, and for
// Enter when it is done; `s` and Enter says that it cannot be done. With -auto the lock under test is a simulated one. Exit
// status: 0 no rule failed, 1 some did, 2 nothing could be looked at.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/cardea-mesh/cardea/services/device-gateway/lockconformance"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report, err := run(ctx, os.Args[1:])
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "lock-conformance:", err)
		os.Exit(2)
	case len(report.Failed()) > 0:
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (lockconformance.Report, error) {
	if len(args) == 0 {
		return nil, errors.New("say `gateway` or `lock`: which one is under test")
	}
	switch args[0] {
	case "gateway":
		return gateway(ctx, args[1:])
	case "lock":
		return lock(ctx, args[1:])
	default:
		return nil, fmt.Errorf("%q is neither `gateway` nor `lock`", args[0])
	}
}

func gateway(ctx context.Context, args []string) (lockconformance.Report, error) {
	flags := flag.NewFlagSet("gateway", flag.ExitOnError)
	cfg := lockconformance.GatewayConfig{Out: os.Stdout}
	flags.StringVar(&cfg.Address, "address", "", "the gateway's `HOST:PORT` for locks")
	flags.Func("claim", "a claim `code` that was not used; give four of one door, each with its -claim, and the run need not wait", func(code string) error {
		cfg.Claims = append(cfg.Claims, code)
		return nil
	})
	flags.BoolVar(&cfg.Slow, "slow", false, "also rules that take up to a minute")
	card := flags.String("card", "", "a 26-bit card that opens the device's door, `FACILITY-NUMBER`")
	flags.Parse(args)
	if cfg.Address == "" || len(cfg.Claims) == 0 {
		return nil, errors.New("-address and -claim are needed")
	}
	if *card != "" {
		var facility uint8
		var number uint16
		if n, err := fmt.Sscanf(*card, "%d-%d", &facility, &number); err != nil || n != 2 {
			return nil, fmt.Errorf("-card %q is not FACILITY-NUMBER", *card)
		}
		cfg.Card = locksim.Wiegand26(facility, number)
	}
	return lockconformance.Gateway(ctx, cfg)
}

func lock(ctx context.Context, args []string) (lockconformance.Report, error) {
	flags := flag.NewFlagSet("lock", flag.ExitOnError)
	address := flags.String("listen", "127.0.0.1:7443", "the `HOST:PORT` that the lock can dial")
	auto := flags.Bool("auto", false, "test a simulated lock")
	flags.Parse(args)
	l, err := net.Listen("tcp", *address)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	cfg := lockconformance.LockConfig{Listener: l, Operator: person{}, Out: os.Stdout}
	if *auto {
		cfg.Operator = &simulated{ctx: ctx, store: new(locksim.Memory)}
	}
	return lockconformance.Lock(ctx, cfg)
}
