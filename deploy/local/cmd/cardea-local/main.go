// Command cardea-local runs a whole Cardea on this machine: three regions in two jurisdictions, as real processes.
//
//	cardea-local run      start, play the story, stay up until Ctrl-C
//	cardea-local up       start, stay up until Ctrl-C
//	cardea-local demo     start, play the story, stop; exit 0 when every step went as expected
//	cardea-local install  install what is missing (PostgreSQL's server programs)
//	cardea-local clean    remove the state
//
// Flags come before the command: -state is the folder for all state (default .local), -otlp the host:port of an
// OpenTelemetry collector that takes traces over gRPC without TLS (default: none).
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/cardea-mesh/cardea/deploy/local/internal/cluster"
	"github.com/cardea-mesh/cardea/deploy/local/internal/story"
)

// Exit codes: 0 as expected, 1 a difference or a failure, 2 wrong usage.
func main() {
	flags := flag.NewFlagSet("cardea-local", flag.ContinueOnError)
	var options cluster.Options
	flags.StringVar(&options.State, "state", ".local", "`folder` for all state; programs are in its bin")
	flags.StringVar(&options.OTLPEndpoint, "otlp", "", "`host:port` that takes traces (OTLP over gRPC, no TLS)")
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "usage: cardea-local [-state folder] [-otlp host:port] run | up | demo | install | clean")
		flags.PrintDefaults()
	}
	if err := flags.Parse(os.Args[1:]); err != nil {
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := command(ctx, flags, options)
	switch {
	case errors.Is(err, errUsage):
		flags.Usage()
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "cardea-local:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage")

func command(ctx context.Context, flags *flag.FlagSet, options cluster.Options) error {
	if flags.NArg() != 1 {
		return errUsage
	}
	switch flags.Arg(0) {
	case "install":
		return cluster.Install(ctx, os.Stdout)
	case "clean":
		return cluster.Clean(options)
	case "demo":
		return play(ctx, options, false)
	case "run":
		return play(ctx, options, true)
	case "up":
		return stay(ctx, options)
	default:
		return errUsage
	}
}

// stay starts a cluster of which nothing is used yet, and keeps it up until the context ends.
func stay(ctx context.Context, options cluster.Options) (err error) {
	c, err := cluster.Start(ctx, options, os.Stdout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	tend(ctx, c)
	return nil
}

// tend keeps a cluster up until the context ends.
func tend(ctx context.Context, c *cluster.Cluster) {
	c.Describe(os.Stdout)
	fmt.Println("\nKill what you like: Enter starts again what has ended. Ctrl-C stops everything.")
	again := make(chan struct{})
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			select {
			case again <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	}()
	c.Tend(ctx, os.Stdout, again)
}

// play starts a cluster, plays the story on it and, with stay, keeps it up until the context ends.
func play(ctx context.Context, options cluster.Options, stay bool) (err error) {
	began := time.Now()
	c, err := cluster.Start(ctx, options, os.Stdout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	fmt.Printf("up after %.1fs: %d processes, state in %s\n\n", time.Since(began).Seconds(), c.Processes(), options.State)
	result := story.Play(ctx, c, os.Stdout)
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted after %d of %d steps", result.Passed, result.Total)
	}
	fmt.Printf("\nstory: %d/%d steps as expected\n", result.Passed, result.Total)
	if stay {
		fmt.Println()
		tend(ctx, c)
	}
	return result.Difference
}
