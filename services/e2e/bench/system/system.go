// Package system starts the whole of Cardea for a bench, as `make run` does: three regions, every part a process of its own,
// and gives what a client of it needs. A System is used by one goroutine; what it returns is safe for many.
package system

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"connectrpc.com/connect"
	"gopkg.in/yaml.v3"
)

// Home is the region that is measured; Neighbour is the other one of its jurisdiction.
const (
	Home      = "eu-central"
	Neighbour = "eu-west"
)

// System is what was started.
type System struct {
	State   string // folder
	command *exec.Cmd
	env     env
	http    *http.Client
}

// startTimeout is for the whole system; it takes some seconds.
const startTimeout = 2 * time.Minute

// Start starts the system in a state folder; programs is where `make build` puts them.
func Start(ctx context.Context, programs, state string) (*System, error) {
	if err := os.MkdirAll(state, 0o755); err != nil {
		return nil, err
	}
	bin := filepath.Join(state, "bin")
	os.Remove(bin)
	if err := os.Symlink(programs, bin); err != nil {
		return nil, err
	}
	s := &System{State: state}
	s.command = exec.CommandContext(ctx, filepath.Join(bin, "cardea-local"), "-state", state, "up")
	s.command.Cancel = func() error { return s.command.Process.Signal(os.Interrupt) }
	s.command.WaitDelay = 30 * time.Second
	// Killed, the bench takes the system with it. The signal comes when the thread ends that started the process, so main
	// keeps its thread.
	s.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	s.command.Stderr = os.Stderr
	out, err := s.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	late := time.AfterFunc(startTimeout, func() { s.command.Process.Signal(os.Interrupt) })
	defer late.Stop()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), ready) {
			return s, s.connect()
		}
	}
	return nil, fmt.Errorf("the system did not start: %w", s.command.Wait())
}

// ready is in the line that cardea-local says when all is up: its state folder's env is this run's and complete then.
const ready = "Ctrl-C stops"

func (s *System) connect() (err error) {
	if s.env, err = readEnv(filepath.Join(s.State, "env")); err != nil {
		return err
	}
	pem, err := os.ReadFile(s.env["CA"])
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	s.http = Client(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13})
	return nil
}

// Client is the HTTP client that Cardea and the floors are called with alike: HTTP/2.
func Client(config *tls.Config) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}}
}

// HTTP is a client that trusts the system.
func (s *System) HTTP() *http.Client { return s.http }

// Locks is where the locks of Home dial.
func (s *System) Locks() string { return s.env["LOCKS"] }

// Stop ends the system; its state stays to be looked at.
func (s *System) Stop() error {
	s.command.Process.Signal(os.Interrupt)
	return s.command.Wait()
}

// Bearer sends a token with every call.
func Bearer(token string) connect.ClientOption {
	return connect.WithInterceptors(connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			req.Header().Set("Authorization", "Bearer "+token)
			return next(ctx, req)
		}
	}))
}

// Config is a part of a service's configuration: what a bench needs to stand beside the service.
type Config struct {
	Database struct {
		URL        string `yaml:"url"`
		MigrateURL string `yaml:"migrate_url"`
	} `yaml:"database"`
	NATS struct {
		URL      string `yaml:"url"`
		CAFile   string `yaml:"ca_file"`
		CertFile string `yaml:"cert_file"`
		KeyFile  string `yaml:"key_file"`
	} `yaml:"nats"`
}

func (s *System) configFile(service string) string {
	return filepath.Join(s.State, Home, service, "config.yaml")
}

// Config reads the configuration of a service in Home.
func (s *System) Config(service string) (Config, error) {
	var c Config
	text, err := os.ReadFile(s.configFile(service))
	if err != nil {
		return c, err
	}
	return c, yaml.Unmarshal(text, &c)
}
