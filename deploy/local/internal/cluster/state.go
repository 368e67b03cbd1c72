package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/cardea-mesh/cardea/deploy/local/internal/postgres"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Install installs what is missing on this machine.
func Install(ctx context.Context, out io.Writer) error { return postgres.Install(ctx, out) }

// Clean removes all state, also what a killed run left outside the folder. The programs in bin stay.
func Clean(options Options) error {
	root, err := filepath.Abs(options.State)
	if err != nil {
		return err
	}
	if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	lock, err := exclusive(root)
	if err != nil {
		return err
	}
	defer lock.Close()
	return removeState(layout{root})
}

func removeState(l layout) error {
	all, err := region.NewMap(regions)
	if err != nil {
		return err
	}
	errs := []error{os.RemoveAll(l.mesh()), os.RemoveAll(l.locks()), os.RemoveAll(l.env())}
	for _, r := range all.All() {
		errs = append(errs, postgres.Sweep(l.jurisdiction(r.Jurisdiction, "postgres")),
			os.RemoveAll(l.jurisdiction(r.Jurisdiction)), os.RemoveAll(l.region(r.Name)))
	}
	return errors.Join(errs...)
}

// exclusive makes sure that one runner at a time uses a state folder. The lock ends with the process, however it ends.
func exclusive(root string) (*os.File, error) {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(root, "lock"), os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another cardea-local uses %s: stop it first, or give -state another folder", root)
	}
	return f, nil
}

// The ports of a region beside its services', and of a jurisdiction.
const (
	brokerPort   = "nats"
	locksPort    = "locks"
	routerPort   = "router"
	routerOther  = "router-clients"
	databasePort = "postgres"
)

// ports are free ones, chosen together at the start and kept for the run: what stops comes back where it was.
type ports map[string]string // `<region or jurisdiction>/<what>` to host:port

func (p ports) addr(r region.Name, what string) string { return p[string(r)+"/"+what] }

func (p ports) of(j region.Jurisdiction, what string) string { return p[string(j)+"/"+what] }

func (c *Cluster) choosePorts() error {
	c.ports = ports{}
	var names []string
	for _, r := range c.regions.All() {
		for _, what := range append(serviceNames(), brokerPort, locksPort) {
			names = append(names, string(r.Name)+"/"+what)
		}
	}
	for _, j := range c.jurisdictions() {
		for _, what := range []string{routerPort, routerOther, databasePort} {
			names = append(names, string(j)+"/"+what)
		}
	}
	// All listeners are open at once, so that no port is given out twice; between closing them and the child's listening
	// somebody else could take one, and then the child says so and the start fails.
	var open []net.Listener
	defer func() {
		for _, l := range open {
			l.Close()
		}
	}()
	for _, name := range names {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		open = append(open, l)
		c.ports[name] = l.Addr().String()
	}
	return nil
}
