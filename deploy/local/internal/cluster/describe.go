package cluster

import (
	"fmt"
	"io"
)

// Describe says how to play with the running system.
func (c *Cluster) Describe(out io.Writer) {
	fmt.Fprintf(out, "Endpoints (Connect, gRPC and JSON over TLS; authority: %s):\n", c.CAFile())
	for _, r := range c.regions.All() {
		for _, s := range services {
			fmt.Fprintf(out, "  %-11s %-15s %s\n", r.Name, s.name, c.URL(s.name, r.Name))
		}
		fmt.Fprintf(out, "  %-11s %-15s %s\n", r.Name, "locks (LWP)", c.LockEndpoint(r.Name))
	}
	fmt.Fprintf(out, "Operator's key, which makes organizations: %s\n", c.operator.token)
	fmt.Fprintf(out, "For example:\n")
	fmt.Fprintf(out, "  curl --cacert %s -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' \\\n", c.CAFile(), c.operator.token)
	fmt.Fprintf(out, "    -d '{\"region\":\"eu-central\",\"slug\":\"my-office\",\"idempotencyKey\":\"1\"}' \\\n")
	fmt.Fprintf(out, "    %s/cardea.identity.v1.IdentityService/CreateOrganization\n", c.URL("identity", "eu-central"))
}
