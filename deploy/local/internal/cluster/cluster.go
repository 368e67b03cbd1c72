package cluster

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/cardea-mesh/cardea/deploy/local/internal/postgres"
	"github.com/cardea-mesh/cardea/deploy/local/internal/process"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// operatorName is who makes organizations here.
const operatorName = "local"

// Options of a cluster; the zero value of each is not usable.
type Options struct {
	// State is the folder for everything; the programs are in its bin.
	State string
	// OTLPEndpoint takes traces, host:port; empty: nobody does.
	OTLPEndpoint string
}

// Cluster is a running system.
type Cluster struct {
	options     Options
	layout      layout
	regions     *region.Map
	authorities authorities
	ports       ports
	operator    struct{ token, hash string }
	passwords   map[string]string // of SQL roles, by jurisdiction and role
	databases   map[region.Jurisdiction]*postgres.Server
	processes   *process.Group
	tracing     tracing
	lock        *os.File
}

// Start makes a fresh state folder (the programs in bin stay) and starts everything in it. On an error nothing is left running.
func Start(ctx context.Context, options Options, out io.Writer) (*Cluster, error) {
	c, err := prepare(options)
	if err != nil {
		return nil, err
	}
	if err := c.start(ctx, out); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// prepare makes a cluster of which nothing runs, and takes the state folder for it.
func prepare(options Options) (c *Cluster, err error) {
	if options.State, err = filepath.Abs(options.State); err != nil {
		return nil, err
	}
	c = &Cluster{
		options: options, layout: layout{options.State}, passwords: map[string]string{},
		databases: map[region.Jurisdiction]*postgres.Server{}, processes: process.NewGroup(),
	}
	if c.regions, err = region.NewMap(regions); err != nil {
		return nil, err
	}
	if c.lock, err = exclusive(options.State); err != nil {
		return nil, err
	}
	return c, nil
}

// start starts the parts; after an error some of them may run.
func (c *Cluster) start(ctx context.Context, out io.Writer) error {
	for _, part := range []struct {
		name  string
		start func(context.Context) error
	}{
		{"PostgreSQL's server programs", func(ctx context.Context) error { return postgres.Install(ctx, out) }},
		{"a fresh state folder", func(context.Context) error { return removeState(c.layout) }},
		{"keys and certificates", func(context.Context) error { return c.makeSecrets() }},
		{"a PostgreSQL per jurisdiction", c.startDatabases},
		{"a broker per region, a router per jurisdiction", c.startBrokers},
		{"migrations", c.migrate},
		{"four services per region", c.startServices},
		{"the locks' tracing", c.startTracing},
	} {
		fmt.Fprintf(out, "starting: %s\n", part.name)
		if err := part.start(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return c.writeEnv("eu-central")
}

// Stop ends all processes, the last started first, and leaves the state folder for looking at.
func (c *Cluster) Stop() error {
	errs := []error{c.tracing.close(), c.processes.Stop()}
	for _, j := range slices.Sorted(maps.Keys(c.databases)) {
		errs = append(errs, c.databases[j].Close())
	}
	errs = append(errs, c.lock.Close())
	return errors.Join(errs...)
}

// makeSecrets makes everything that only this run knows.
func (c *Cluster) makeSecrets() error {
	secret := rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(secret))
	c.operator.token, c.operator.hash = "operator_"+operatorName+"_"+secret, hex.EncodeToString(sum[:])
	if err := c.choosePorts(); err != nil {
		return err
	}
	if err := c.makeAuthorities(); err != nil {
		return err
	}
	for _, r := range c.regions.All() {
		for _, program := range serviceNames() {
			if err := c.issue(r, program); err != nil {
				return err
			}
		}
	}
	return c.writeKeys()
}

func (c *Cluster) jurisdictions() []region.Jurisdiction {
	seen := map[region.Jurisdiction]bool{}
	for _, r := range c.regions.All() {
		seen[r.Jurisdiction] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

func serviceNames() []string {
	var names []string
	for _, s := range services {
		names = append(names, s.name)
	}
	return names
}

// URL implements story.System.
func (c *Cluster) URL(service string, in region.Name) string {
	return "https://" + c.ports.addr(in, service)
}

// OperatorKey implements story.System.
func (c *Cluster) OperatorKey() string { return c.operator.token }

// CAFile implements story.System.
func (c *Cluster) CAFile() string { return c.layout.mesh("ca.pem") }

// LockEndpoint implements story.System.
func (c *Cluster) LockEndpoint(in region.Name) string { return c.ports.addr(in, locksPort) }

// Program implements story.System.
func (c *Cluster) Program(name string) string { return c.layout.bin(name) }

// LockDir implements story.System.
func (c *Cluster) LockDir(name string) string { return c.layout.locks(name) }

// StopDatabase implements story.System.
func (c *Cluster) StopDatabase(_ context.Context, of region.Jurisdiction) error {
	return c.databases[of].Stop()
}

// StartDatabase implements story.System.
func (c *Cluster) StartDatabase(ctx context.Context, of region.Jurisdiction) error {
	return c.databases[of].Start(ctx)
}

// StateDirs implements story.System. The certificates of the mesh and the locks' own flash belong to no jurisdiction.
func (c *Cluster) StateDirs(of region.Jurisdiction) []string {
	dirs := []string{c.layout.jurisdiction(of), c.databases[of].DataDir()}
	for _, r := range c.regions.In(of) {
		dirs = append(dirs, c.layout.region(r.Name))
	}
	return dirs
}
