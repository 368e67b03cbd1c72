// Command cardea-nats is nats-server in a small binary: a region's broker or a jurisdiction's router.
//
//	cardea-nats -config FILE
//
// FILE is in the standard nats-server format (package brokerconf writes ours). It logs to standard error unless the
// file names a log. SIGTERM and SIGINT stop it cleanly: clients are disconnected, stores are closed, exit code 0.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// readyLimit bounds the start, a store's recovery included.
const readyLimit = time.Minute

// Exit codes: 0 stopped as asked, 1 a failure, 2 wrong usage.
func main() {
	config := flag.String("config", "", "configuration `file`")
	flag.Parse()
	if *config == "" || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "usage: cardea-nats -config FILE")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *config); err != nil {
		fmt.Fprintln(os.Stderr, "cardea-nats:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, config string) error {
	options, err := server.ProcessConfigFile(config)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	options.NoSigs = true // main has them
	s, err := server.NewServer(options)
	if err != nil {
		return err
	}
	s.ConfigureLogger()
	s.Start()
	defer s.WaitForShutdown()
	defer s.Shutdown()
	if !s.ReadyForConnections(readyLimit) {
		return errors.New("not ready: its log says why")
	}
	ended := make(chan struct{})
	go func() {
		s.WaitForShutdown()
		close(ended)
	}()
	select {
	case <-ctx.Done():
		return nil
	case <-ended:
		return errors.New("the server stopped by itself: its log says why")
	}
}
