// Command audit runs the audit service.
//
//	audit -config FILE            serve until SIGINT or SIGTERM
//	audit -config FILE -migrate   bring the tables up to date, and exit
//	audit -config FILE -print     print the configuration without its secrets, and exit
package main

import (
	"github.com/cardea-mesh/cardea/services/audit"
	"github.com/cardea-mesh/cardea/services/platform/run"
)

func main() {
	run.Program[audit.Config]{
		Name:  audit.Service,
		Serve: audit.Run,
		Actions: []run.Action[audit.Config]{
			{Flag: "migrate", Help: "bring the tables up to date, and exit", Do: audit.Migrate},
		},
	}.Main()
}
