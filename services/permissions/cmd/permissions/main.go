// Command permissions runs the permissions service.
//
//	permissions -config FILE            serve until SIGINT or SIGTERM
//	permissions -config FILE -migrate   bring the tables up to date, and exit
//	permissions -config FILE -print     print the configuration without its secrets, and exit
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/cardea-mesh/cardea/services/permissions"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/run"
)

func main() {
	file := flag.String("config", "", "the configuration `file`, YAML")
	migrate := flag.Bool("migrate", false, "bring the tables up to date, and exit")
	show := flag.Bool("print", false, "print the configuration without its secrets, and exit")
	flag.Parse()
	if *file == "" || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "permissions: -config FILE is needed, and nothing but flags")
		flag.Usage()
		os.Exit(2)
	}
	run.Main(func(ctx context.Context) error {
		cfg, err := config.Load[permissions.Config](*file)
		switch {
		case err != nil:
			return err
		case *show:
			return config.Print(os.Stdout, cfg)
		case *migrate:
			return permissions.Migrate(ctx, cfg)
		}
		return permissions.Run(ctx, cfg)
	})
}
