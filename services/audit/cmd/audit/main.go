// Command audit runs the audit service.
//
//	audit -config FILE            serve until SIGINT or SIGTERM
//	audit -config FILE -migrate   bring the tables up to date, and exit
//	audit -config FILE -print     print the configuration without its secrets, and exit
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/cardea-mesh/cardea/services/audit"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/run"
)

func main() {
	file := flag.String("config", "", "the configuration `file`, YAML")
	migrate := flag.Bool("migrate", false, "bring the tables up to date, and exit")
	show := flag.Bool("print", false, "print the configuration without its secrets, and exit")
	flag.Parse()
	if *file == "" || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "audit: -config FILE is needed, and nothing but flags")
		flag.Usage()
		os.Exit(2)
	}
	run.Main(func(ctx context.Context) error {
		cfg, err := config.Load[audit.Config](*file)
		switch {
		case err != nil:
			return err
		case *show:
			return config.Print(os.Stdout, cfg)
		case *migrate:
			return audit.Migrate(ctx, cfg)
		}
		return audit.Run(ctx, cfg)
	})
}
