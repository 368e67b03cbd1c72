// Command lock-conformance runs the rules of PROTOCOL.md against a gateway or a lock, and prints what became of each.
//
//	lock-conformance gateway -address HOST:PORT -claim CODE [-claim CODE ...] [-card FACILITY-NUMBER] [-bundle] [-operator] [-slow]
//	lock-conformance lock -listen HOST:PORT [-firmware FILE -firmware-version VERSION] [-auto]
//
// `gateway` plays locks, one with each claim code. `lock` plays a gateway, and asks on the terminal for what somebody has to do at the
// lock under test, first to enrol it; with -auto that is a simulated one. -operator asks in the same way for what somebody has to do at the
// system of the gateway. -only R-HELLO-1,R-CMD-2 looks at some rules.
//
// Exit status: 0 no rule failed, 1 some did, 2 nothing could be looked at.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/cardea-mesh/cardea/services/device-gateway/lockconformance"
	"github.com/cardea-mesh/cardea/services/device-gateway/lockconformance/simulated"
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
	flags.Func("claim", "a claim `code` that was not used; with four of one door, each with its own -claim, the run need not wait", func(code string) error {
		cfg.Claims = append(cfg.Claims, code)
		return nil
	})
	flags.BoolVar(&cfg.Bundle, "bundle", false, "the devices' door lets its locks decide alone: a bundle has to come")
	flags.BoolVar(&cfg.Slow, "slow", false, "also rules that take up to a minute")
	only(flags, &cfg.Only)
	operator := flags.Bool("operator", false, "ask on the terminal for what has to be done at the gateway's system; a device is revoked, and the card taken away")
	card := flags.String("card", "", "a 26-bit card that opens the devices' door, `FACILITY-NUMBER`")
	if err := parse(flags, args); err != nil {
		return nil, err
	}
	if cfg.Address == "" || len(cfg.Claims) == 0 {
		return nil, errors.New("-address and -claim are needed")
	}
	if *card != "" {
		var facility uint8
		var number uint16
		if n, err := fmt.Sscanf(*card, "%d-%d", &facility, &number); err != nil || n != 2 {
			return nil, fmt.Errorf("-card %q is not FACILITY-NUMBER, e.g. 17-4711", *card)
		}
		cfg.Card = locksim.Wiegand26(facility, number)
	}
	if *operator {
		cfg.Operator = atGateway{terminal()}
	}
	return lockconformance.Gateway(ctx, cfg)
}

func lock(ctx context.Context, args []string) (lockconformance.Report, error) {
	flags := flag.NewFlagSet("lock", flag.ExitOnError)
	cfg := lockconformance.LockConfig{Out: os.Stdout}
	address := flags.String("listen", "127.0.0.1:7443", "the `HOST:PORT` that the lock can dial")
	auto := flags.Bool("auto", false, "test a simulated lock")
	firmware := flags.String("firmware", "", "a `file` with an image of the lock's maker, which the lock takes")
	flags.StringVar(&cfg.ImageVersion, "firmware-version", "conformance", "the image's `version`")
	only(flags, &cfg.Only)
	if err := parse(flags, args); err != nil {
		return nil, err
	}
	var err error
	if *firmware != "" {
		if cfg.Image, err = os.ReadFile(*firmware); err != nil {
			return nil, err
		}
	}
	cfg.Operator = &atLock{person: terminal()}
	if *auto {
		o, err := simulated.New(ctx, nil)
		if err != nil {
			return nil, err
		}
		defer o.Close()
		cfg.Operator = o
	}
	if cfg.Listener, err = net.Listen("tcp", *address); err != nil {
		return nil, err
	}
	defer cfg.Listener.Close()
	return lockconformance.Lock(ctx, cfg)
}

func terminal() person { return newPerson(os.Stdin, os.Stdout) }

func only(flags *flag.FlagSet, rules *[]string) {
	flags.Func("only", "look at these `rules`, separated by commas", func(text string) error {
		*rules = append(*rules, strings.Split(text, ",")...)
		return nil
	})
}

func parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is too much: see -h", flags.Args())
	}
	return nil
}
