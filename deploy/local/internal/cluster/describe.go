package cluster

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// writeEnv writes a file that a shell reads, with what it needs to call the services of a region. The operator's key is in it. It is there at once and
// whole, after everything has started and before Describe, so who waits for either can read it.
func (c *Cluster) writeEnv(in region.Name) error {
	var env bytes.Buffer
	for _, v := range []struct{ name, value string }{
		{"CA", c.CAFile()}, {"OPERATOR_KEY", c.OperatorKey()},
		{"IDENTITY", c.URL("identity", in)}, {"PERMISSIONS", c.URL("permissions", in)},
		{"GATEWAY", c.URL("device-gateway", in)}, {"AUDIT", c.URL("audit", in)}, {"LOCKS", c.LockEndpoint(in)},
	} {
		fmt.Fprintf(&env, "%s='%s'\n", v.name, strings.ReplaceAll(v.value, "'", `'\''`))
	}
	unfinished := c.layout.mesh("env") // which goes away with the rest of the mesh
	if err := writeSecret(unfinished, env.Bytes()); err != nil {
		return err
	}
	return os.Rename(unfinished, c.layout.env())
}

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
	fmt.Fprintf(out, "deploy/local/README.md goes on from there; `. %s` sets its variables.\n", c.layout.env())
}
