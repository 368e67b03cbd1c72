// Command permissions runs the permissions service.
//
//	permissions -config FILE            serve until SIGINT or SIGTERM
//	permissions -config FILE -migrate   bring the tables up to date, and exit
//	permissions -config FILE -print     print the configuration without its secrets, and exit
package main

import (
	"github.com/cardea-mesh/cardea/services/permissions"
	"github.com/cardea-mesh/cardea/services/platform/run"
)

func main() {
	run.Program[permissions.Config]{
		Name:  permissions.Service,
		Serve: permissions.Run,
		// What is in memory is bounded (projection.max_bytes); with it the heap's peak is five times what lives. Measured:
		// at 64 checks in flight the p99 is a quarter of what it is at 100.
		GCPercent: 400,
		Actions: []run.Action[permissions.Config]{
			{Flag: "migrate", Help: "bring the tables up to date, and exit", Do: permissions.Migrate},
		},
	}.Main()
}
