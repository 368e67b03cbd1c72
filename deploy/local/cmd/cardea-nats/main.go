// Command cardea-nats is a NATS server with JetStream, for runs on one machine where none is installed:
//
//	cardea-nats -config FILE
//
// The file has nats-server's own format, so that in a deployment the distribution's nats-server takes this command's place.
// SIGTERM and SIGINT end it cleanly. Exit codes: 0 stopped, 1 could not run, 2 wrong usage.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// startTimeout is how long the server may take until it listens; recovery of a large store comes before that.
const startTimeout = 60 * time.Second

func main() {
	path := flag.String("config", "", "configuration `file`")
	flag.Parse()
	if *path == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := serve(*path); err != nil {
		fmt.Fprintln(os.Stderr, "cardea-nats:", err)
		os.Exit(1)
	}
}

func serve(path string) error {
	options, err := server.ProcessConfigFile(path)
	if err != nil {
		return err
	}
	options.NoSigs = true // ours below: the server's own would exit the process
	s, err := server.NewServer(options)
	if err != nil {
		return err
	}
	s.ConfigureLogger()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	s.Start()
	if !s.ReadyForConnections(startTimeout) {
		s.Shutdown()
		return fmt.Errorf("%s: not ready within %s", path, startTimeout)
	}
	<-stop
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}
