// Package cluster runs a whole Cardea on one machine: two jurisdictions with a PostgreSQL each, three regions with a
// broker and the four services each, every part a process of its own, everything on 127.0.0.1 with TLS.
//
// A cluster is used by one goroutine. Its processes die with it, also when it is killed.
package cluster

import (
	"path/filepath"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// regions are what a local cluster has.
var regions = map[region.Name]region.Spec{
	"eu-central": {Code: "euc", Jurisdiction: "eu"},
	"eu-west":    {Code: "euw", Jurisdiction: "eu"},
	"us-east":    {Code: "use", Jurisdiction: "us"},
}

// service is one of the four.
type service struct {
	name   string
	schema string // in the jurisdiction's database; also the SQL user's name
	// keys are the purposes of the jurisdiction's keys that the service holds; nobody holds more than it needs.
	keys []string
}

// services, in the order in which they start.
var services = []service{
	{name: "identity", schema: "identity", keys: []string{"person", "state", "answer"}},
	{name: "permissions", schema: "permissions", keys: []string{"answer"}},
	{name: "device-gateway", schema: "gateway", keys: []string{"state", "answer"}},
	{name: "audit", schema: "audit"},
}

// layout says where things are below the state folder.
type layout struct{ root string }

func (l layout) bin(program string) string { return filepath.Join(l.root, "bin", program) }

func (l layout) region(r region.Name, parts ...string) string {
	return filepath.Join(append([]string{l.root, string(r)}, parts...)...)
}

func (l layout) jurisdiction(j region.Jurisdiction, parts ...string) string {
	return filepath.Join(append([]string{l.root, string(j)}, parts...)...)
}

// mesh holds what the whole mesh shares: the certificate by which everybody verifies everybody.
func (l layout) mesh(parts ...string) string {
	return filepath.Join(append([]string{l.root, "mesh"}, parts...)...)
}

// env is what a shell needs to call the running system.
func (l layout) env() string { return filepath.Join(l.root, "env") }

// locks holds the simulated locks' flash.
func (l layout) locks(parts ...string) string {
	return filepath.Join(append([]string{l.root, "locks"}, parts...)...)
}
