package run

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/cardea-mesh/cardea/services/platform/config"
)

// Program is a service's command line: `<name> -config FILE`, alone to serve until SIGINT or SIGTERM, or with the flag of one
// Action instead. Every service also has -print: its configuration without secrets.
type Program[C any] struct {
	Name    string
	Serve   func(context.Context, C) error
	Actions []Action[C]
	// GCPercent is by how much the heap may grow before garbage is collected, as GOGC says it; 0: Go's 100. The
	// environment's GOGC goes before. For a service whose heap is small beside what it allocates a second: collecting
	// seldom costs memory and saves time, most of all the slowest answers'.
	GCPercent int
}

// Action is something that a service does once and ends, instead of serving.
type Action[C any] struct {
	Flag, Help string
	Do         func(context.Context, C) error
}

// Main runs the program and exits: 0 done, 1 failed, 2 wrong usage.
func (p Program[C]) Main() {
	if _, set := os.LookupEnv("GOGC"); p.GCPercent > 0 && !set {
		debug.SetGCPercent(p.GCPercent)
	}
	actions := append(p.Actions, Action[C]{
		Flag: "print", Help: "print the configuration without its secrets, and exit",
		Do: func(_ context.Context, cfg C) error { return config.Print(os.Stdout, cfg) },
	})
	file := flag.String("config", "", "the configuration `file`, YAML")
	chosen := make([]bool, len(actions))
	for i, a := range actions {
		flag.BoolVar(&chosen[i], a.Flag, false, a.Help)
	}
	flag.Parse()
	do, count := p.Serve, 0
	for i, a := range actions {
		if chosen[i] {
			do, count = a.Do, count+1
		}
	}
	if *file == "" || flag.NArg() > 0 || count > 1 {
		fmt.Fprintf(os.Stderr, "%s: -config FILE is needed, at most one other flag, and nothing else\n", p.Name)
		flag.Usage()
		os.Exit(2)
	}
	Main(func(ctx context.Context) error {
		cfg, err := config.Load[C](*file)
		if err != nil {
			return err
		}
		return do(ctx, cfg)
	})
}
