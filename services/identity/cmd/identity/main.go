// Command identity runs the identity service.
//
//	identity -config FILE            serve until SIGINT or SIGTERM
//	identity -config FILE -migrate   bring the tables up to date, and exit
//	identity -config FILE -print     print the configuration without its secrets, and exit
package main

import (
	"github.com/cardea-mesh/cardea/services/identity"
	"github.com/cardea-mesh/cardea/services/platform/run"
)

func main() {
	run.Program[identity.Config]{
		Name:  identity.Service,
		Serve: identity.Run,
		Actions: []run.Action[identity.Config]{
			{Flag: "migrate", Help: "bring the tables up to date, and exit", Do: identity.Migrate},
		},
	}.Main()
}
