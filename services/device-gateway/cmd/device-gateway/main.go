// Command device-gateway runs the device-gateway service.
//
//	device-gateway -config FILE              serve until SIGINT or SIGTERM
//	device-gateway -config FILE -migrate     bring the tables up to date, and exit
//	device-gateway -config FILE -deregister  take this gateway, which is stopped and does not come back, out of the register
//	device-gateway -config FILE -print       print the configuration without its secrets, and exit
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	gateway "github.com/cardea-mesh/cardea/services/device-gateway"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/run"
)

func main() {
	file := flag.String("config", "", "the configuration `file`, YAML")
	migrate := flag.Bool("migrate", false, "bring the tables up to date, and exit")
	deregister := flag.Bool("deregister", false, "take this gateway out of the register, and exit")
	show := flag.Bool("print", false, "print the configuration without its secrets, and exit")
	flag.Parse()
	if *file == "" || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "device-gateway: -config FILE is needed, and nothing but flags")
		flag.Usage()
		os.Exit(2)
	}
	run.Main(func(ctx context.Context) error {
		cfg, err := config.Load[gateway.Config](*file)
		switch {
		case err != nil:
			return err
		case *show:
			return config.Print(os.Stdout, cfg)
		case *migrate:
			return gateway.Migrate(ctx, cfg)
		case *deregister:
			return gateway.Deregister(ctx, cfg)
		}
		return gateway.Run(ctx, cfg)
	})
}
