// Command identity runs the identity service: `identity -config FILE`. With -migrate it brings the schema up to date and
// ends.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/cardea-mesh/cardea/services/identity"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/run"
)

func main() {
	path := flag.String("config", "", "configuration `file` (YAML)")
	migrate := flag.Bool("migrate", false, "bring the schema up to date and end")
	show := flag.Bool("print", false, "print the configuration without its secrets and end")
	flag.Parse()
	run.Main(func(ctx context.Context) error {
		if *path == "" {
			return fmt.Errorf("usage: identity -config FILE [-migrate | -print]")
		}
		cfg, err := config.Load[identity.Config](*path)
		switch {
		case err != nil:
			return err
		case *show:
			return config.Print(os.Stdout, cfg)
		case *migrate:
			return identity.Migrate(ctx, cfg)
		}
		return identity.Run(ctx, cfg)
	})
}
