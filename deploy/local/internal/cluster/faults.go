package cluster

import (
	"context"
	"io"

	"github.com/cardea-mesh/cardea/deploy/local/internal/process"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// The programs beside the services that can be killed: a region's broker, and a jurisdiction's router, whose loss cuts
// its regions' brokers off from each other.
const (
	Broker = "broker"
	Router = "router"
)

// Kill ends a program at once, as a crash would (SIGKILL): a service or Broker of a region, or Router of a jurisdiction.
// It returns when the process is gone. Its files stay as they were at that moment.
func (c *Cluster) Kill(program, of string) error { return c.processes.Kill(processName(program, of)) }

// Restart starts a program that was killed again, on the same files and ports, and returns when it is ready. A service is
// ready when its health says so, which needs its jurisdiction's database.
func (c *Cluster) Restart(ctx context.Context, program, of string) error {
	return c.processes.Restart(ctx, processName(program, of))
}

// Freeze makes a program hang: it keeps its connections and answers nothing, until Thaw.
func (c *Cluster) Freeze(program, of string) error {
	return c.processes.Freeze(processName(program, of))
}

// Thaw lets a frozen program go on where it was.
func (c *Cluster) Thaw(program, of string) error { return c.processes.Thaw(processName(program, of)) }

// FreezeDatabase makes a jurisdiction's database hang, until ThawDatabase.
func (c *Cluster) FreezeDatabase(of region.Jurisdiction) error { return c.databases[of].Freeze() }

// ThawDatabase lets a frozen database go on where it was.
func (c *Cluster) ThawDatabase(of region.Jurisdiction) error { return c.databases[of].Thaw() }

// KillDatabase ends all processes of a jurisdiction's database at once; StartDatabase then recovers it from its log.
func (c *Cluster) KillDatabase(of region.Jurisdiction) error { return c.databases[of].Kill() }

func processName(program, of string) string { return program + " of " + of }

// Tend says on out when a process has ended, e.g. because somebody killed it to see what happens, and starts those that have at each
// value of again, until ctx ends. Databases come first: a service gets ready only with its own.
func (c *Cluster) Tend(ctx context.Context, out io.Writer, again <-chan struct{}) {
	process.Tend(ctx, out, again, func() (all []process.Ended) {
		for _, j := range c.jurisdictions() {
			all = append(all, c.databases[j].Ended()...)
		}
		return append(all, c.processes.Ended()...)
	})
}
