package system

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	gateway "github.com/cardea-mesh/cardea/services/device-gateway"
	"github.com/cardea-mesh/cardea/services/e2e/bench/lockwire"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"gopkg.in/yaml.v3"
)

// Second is another gateway of Home, beside the one that was started with the system: the same program, with a memory that
// nothing has grown yet. WaitEnforced waits for it too, until Stop has taken it out of the register.
type Second struct {
	Locks   string // where it takes locks, host:port
	command *exec.Cmd
	program string
	config  string
}

// SecondGateway starts one and waits until it takes a lock of the fleet.
func (f *Fleet) SecondGateway(ctx context.Context) (*Second, error) {
	s := f.system
	dir, err := s.freshFolder("second-gateway")
	if err != nil {
		return nil, err
	}
	g := &Second{program: filepath.Join(s.State, "bin", "device-gateway"), config: filepath.Join(dir, "config.yaml")}
	if err := g.configure(s.configFile("device-gateway"), filepath.Join(dir, "state")); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	g.command = exec.CommandContext(ctx, g.program, "-config", g.config)
	g.command.Stderr = log
	if err := g.command.Start(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		locks, err := f.ConnectTo(ctx, g.Locks, len(f.Devices)-1, len(f.Devices))
		for _, l := range locks {
			if l != nil {
				l.Close()
			}
		}
		if err == nil {
			return g, nil
		}
		if time.Now().After(deadline) {
			g.Stop()
			return nil, fmt.Errorf("the second gateway takes no lock: %w", err)
		}
	}
}

// configure writes its configuration: the first one's, with ports and a folder of its own.
func (g *Second) configure(first, state string) error {
	text, err := os.ReadFile(first)
	if err != nil {
		return err
	}
	var config map[string]any
	if err := yaml.Unmarshal(text, &config); err != nil {
		return err
	}
	mesh, meshOK := config["mesh"].(map[string]any)
	locks, locksOK := config["locks"].(map[string]any)
	if !meshOK || !locksOK {
		return fmt.Errorf("%s has no mesh or no locks", first)
	}
	config["state_dir"] = state
	if mesh["listen"], err = freePort(); err != nil {
		return err
	}
	if g.Locks, err = freePort(); err != nil {
		return err
	}
	locks["listen"] = g.Locks
	if text, err = yaml.Marshal(config); err != nil {
		return err
	}
	return os.WriteFile(g.config, text, 0o600)
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// freshFolder makes an empty folder for a gateway: another run's keys open nothing here, and what another one's copy has would be memory that is
// nobody's.
func (s *System) freshFolder(name string) (string, error) {
	dir := filepath.Join(s.State, name)
	return dir, errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700))
}

// SecondConfig is the configuration of another gateway of Home, with ports and a folder of its own.
func (f *Fleet) SecondConfig(name string) (gateway.Config, error) {
	dir, err := f.system.freshFolder(name)
	if err != nil {
		return gateway.Config{}, err
	}
	g := &Second{config: filepath.Join(dir, "config.yaml")}
	if err := g.configure(f.system.configFile("device-gateway"), filepath.Join(dir, "state")); err != nil {
		return gateway.Config{}, err
	}
	return config.Load[gateway.Config](g.config)
}

// gatewayConfig is the configuration of Home's gateway.
func (s *System) gatewayConfig() (gateway.Config, error) {
	return config.Load[gateway.Config](s.configFile("device-gateway"))
}

// PID is the process's number.
func (g *Second) PID() int { return g.command.Process.Pid }

// Stop ends it and takes it out of the register.
func (g *Second) Stop() error {
	g.command.Process.Signal(os.Interrupt)
	g.command.Wait() // its status is the interrupt's
	if out, err := exec.Command(g.program, "-config", g.config, "-deregister").CombinedOutput(); err != nil {
		return fmt.Errorf("deregister: %w: %s", err, out)
	}
	return nil
}

// ConnectTo opens the sessions of the locks from first to before end, at a gateway.
func (f *Fleet) ConnectTo(ctx context.Context, gateway string, first, end int) ([]*lockwire.Lock, error) {
	locks := make([]*lockwire.Lock, end-first)
	err := parallel(ctx, len(locks), func(ctx context.Context, i int) (err error) {
		device := f.Devices[first+i]
		if locks[i], err = lockwire.Dial(ctx, gateway, device.TLS); err != nil {
			return err
		}
		return locks[i].Greet(device.ID)
	})
	return locks, err
}
