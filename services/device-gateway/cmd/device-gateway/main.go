// Command device-gateway runs the device-gateway service.
//
//	device-gateway -config FILE            serve until SIGINT or SIGTERM
//	device-gateway -config FILE -migrate   bring the tables up to date, and exit
//	device-gateway -config FILE -deregister  take this gateway, which is stopped and does not come back, out of the register
//	device-gateway -config FILE -print     print the configuration without its secrets, and exit
package main

import (
	gateway "github.com/cardea-mesh/cardea/services/device-gateway"
	"github.com/cardea-mesh/cardea/services/platform/run"
)

func main() {
	run.Program[gateway.Config]{
		Name:  gateway.Service,
		Serve: gateway.Run,
		Actions: []run.Action[gateway.Config]{
			{Flag: "migrate", Help: "bring the tables up to date, and exit", Do: gateway.Migrate},
			{Flag: "deregister", Help: "take this gateway, which is stopped and does not come back, out of the register, and exit", Do: gateway.Deregister},
		},
	}.Main()
}
