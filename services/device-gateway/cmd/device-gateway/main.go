// Command device-gateway runs the device-gateway service.
//
//	device-gateway -config FILE            serve until SIGINT or SIGTERM
//	device-gateway -config FILE -migrate   bring the tables up to date, and exit
//	device-gateway -config FILE -deregister  take this gateway, which is stopped and does not come back, out of the register
//	device-gateway -config FILE -print     print the configuration without its secrets, and exit
package main

import (
	"runtime"

	gateway "github.com/cardea-mesh/cardea/services/device-gateway"
	"github.com/cardea-mesh/cardea/services/platform/run"
)

// ballast is heap that nobody uses, in bytes. Some 10 MB live in a gateway with a few hundred locks and each decision leaves 2 kB behind, so that
// garbage would be collected a hundred times a second; with it 10 MB more are allocated between two collections. It is never
// written, so it takes no memory, and a gateway with a large heap does not notice it.
const ballast = 10 << 20

func main() {
	unused := make([]byte, ballast)
	defer runtime.KeepAlive(unused)
	run.Program[gateway.Config]{
		Name:  gateway.Service,
		Serve: gateway.Run,
		Actions: []run.Action[gateway.Config]{
			{Flag: "migrate", Help: "bring the tables up to date, and exit", Do: gateway.Migrate},
			{Flag: "deregister", Help: "take this gateway, which is stopped and does not come back, out of the register, and exit", Do: gateway.Deregister},
		},
	}.Main()
}
