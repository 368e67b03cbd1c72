package lockconformance

import (
	"fmt"
	"slices"
)

// rule is a rule of PROTOCOL.md: how it is looked at from each side that it binds. A side without a check has the reason
// why; a side that the rule does not bind has neither.
type rule struct {
	name        string
	gateway     check[*gatewayRun]
	lock        check[*lockRun]
	gatewayNote string
	lockNote    string
}

// catalogue is all rules in the order of the page.
func catalogue() []rule {
	return slices.Concat(connectionRules(), frameRules(), enrolRules(), sessionRules(), accessRules(), eventRules(), doorRules(),
		commandRules(), bundleRules(), renewalRules(), endRules())
}

// known says whether all names are rules.
func known(names []string) error {
	for _, name := range names {
		if !slices.ContainsFunc(catalogue(), func(r rule) bool { return r.name == name }) {
			return fmt.Errorf("there is no rule %q", name)
		}
	}
	return nil
}
