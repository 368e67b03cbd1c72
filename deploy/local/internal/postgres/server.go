package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/cardea-mesh/cardea/deploy/local/internal/process"
)

// serverUser is whom the server runs as when the runner is root: PostgreSQL refuses root.
const serverUser = "postgres"

// program is the server's, and that of its children.
const program = "postgres"

// Config of a Server. All fields are required.
type Config struct {
	Name string
	// Home is where the data is when the server does not run. As root it runs from a folder that its user can reach
	// (checkouts are often below /root), and the data is moved there and back.
	Home string
	// Address is host:port.
	Address string
	// Password of the superuser `postgres`.
	Password string
	// CertPEM and KeyPEM are the server's certificate; connections without TLS are refused.
	CertPEM, KeyPEM []byte
	// Log takes what the server prints.
	Log string
}

// Server is one private server. It is safe for concurrent use: a call waits until the one under way is done.
type Server struct {
	cfg Config
	bin string
	as  *syscall.Credential // nil: the runner's user

	mu      sync.Mutex     // held from the beginning to the end of a call
	workdir string         // where the data is while the server may run
	child   *process.Child // nil when it was never started, or was stopped or killed by a call
}

// New makes an empty database cluster in Home, which must not exist.
func New(ctx context.Context, cfg Config) (*Server, error) {
	bin, err := Find()
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, bin: bin, workdir: cfg.Home}
	if _, err := os.Stat(cfg.Home); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is in the way", cfg.Home)
	}
	if err := os.MkdirAll(filepath.Dir(cfg.Home), 0o755); err != nil {
		return nil, err
	}
	if os.Getuid() == 0 {
		if s.as, err = credential(serverUser); err != nil {
			return nil, err
		}
		if s.workdir, err = os.MkdirTemp("/var/tmp", "cardea-postgres-"); err != nil {
			return nil, err
		}
		if err := os.WriteFile(marker(cfg.Home), []byte(s.workdir), 0o600); err != nil {
			return nil, err
		}
	} else if err := os.Mkdir(s.workdir, 0o700); err != nil {
		return nil, err
	}
	if err := s.init(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.workdir))
	}
	return s, nil
}

// marker names the file beside Home that says where the data is while the server may run.
func marker(home string) string { return home + ".running" }

// Sweep removes what a killed run left: the data that was never moved to home, and home.
func Sweep(home string) error {
	workdir, err := os.ReadFile(marker(home))
	if err == nil && strings.HasPrefix(string(workdir), "/var/tmp/cardea-postgres-") {
		err = os.RemoveAll(string(workdir))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errors.Join(os.RemoveAll(marker(home)), os.RemoveAll(home))
}

func credential(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL must run as another user than root: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// init runs initdb and writes the server's settings.
func (s *Server) init(ctx context.Context) error {
	password := filepath.Join(s.workdir, "password")
	data := s.dataDir()
	if err := os.WriteFile(password, []byte(s.cfg.Password+"\n"), 0o600); err != nil {
		return err
	}
	defer os.Remove(password)
	if err := s.give(s.workdir, password); err != nil {
		return err
	}
	initdb := exec.CommandContext(ctx, filepath.Join(s.bin, "initdb"), "-D", data, "-U", "postgres", "--pwfile", password,
		"--auth", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
	initdb.Dir = s.workdir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	for name, content := range map[string][]byte{
		"server.crt":           s.cfg.CertPEM,
		"server.key":           s.cfg.KeyPEM,
		"pg_hba.conf":          []byte("hostssl all all 127.0.0.1/32 scram-sha-256\n"),
		"postgresql.auto.conf": []byte(s.settings()),
	} {
		path := filepath.Join(data, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
		if err := s.give(path); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) settings() string {
	host, port, _ := net.SplitHostPort(s.cfg.Address)
	return strings.Join([]string{
		"listen_addresses = '" + host + "'",
		"port = " + port,
		"unix_socket_directories = ''",
		"ssl = on", "ssl_cert_file = 'server.crt'", "ssl_key_file = 'server.key'", "ssl_min_protocol_version = 'TLSv1.3'",
		"max_connections = 150", "shared_buffers = 64MB",
		"log_timezone = 'UTC'", "timezone = 'UTC'",
	}, "\n") + "\n"
}

// give hands files to the server's user.
func (s *Server) give(paths ...string) error {
	if s.as == nil {
		return nil
	}
	for _, path := range paths {
		if err := os.Chown(path, int(s.as.Uid), int(s.as.Gid)); err != nil {
			return err
		}
	}
	return nil
}

// DataDir is where the data is now.
func (s *Server) DataDir() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dataDir()
}

func (s *Server) dataDir() string { return filepath.Join(s.workdir, "data") }

// Start runs the server until Stop, and returns when it answers. It also starts one again that has ended by itself, or that
// somebody killed: what is left of that one is killed first.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runs() {
		return fmt.Errorf("%s (pid %d) runs", s.cfg.Name, s.child.Pid())
	}
	if err := s.killRest(); err != nil {
		return err
	}
	child, err := process.Start(ctx, process.Spec{
		Name: s.cfg.Name, Path: filepath.Join(s.bin, program), Args: []string{"-D", s.dataDir()},
		Dir: s.workdir, Log: s.cfg.Log, User: s.as,
		StopSignal:  syscall.SIGINT,  // fast: ends the sessions, writes everything
		DeathSignal: syscall.SIGQUIT, // immediate: its own children go with it
		Ready:       s.answers,
	})
	if err != nil {
		return err
	}
	s.child = child
	return nil
}

func (s *Server) runs() bool { return s.child != nil && !s.child.HasEnded() }

// Ended is the server when it has ended by itself or somebody killed it; empty when it runs, or a call of Stop or Kill ended it.
func (s *Server) Ended() []process.Ended {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.child == nil || s.runs() {
		return nil
	}
	return []process.Ended{{Child: s.child, Restart: s.Start}}
}

// answers says whether the port takes connections; PostgreSQL listens before it is done recovering, so ask it.
func (s *Server) answers(ctx context.Context) error {
	host, port, _ := net.SplitHostPort(s.cfg.Address)
	return exec.CommandContext(ctx, filepath.Join(s.bin, "pg_isready"), "-q", "-h", host, "-p", port).Run()
}

// Pid of the running server; 0 when it does not run.
func (s *Server) Pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.runs() {
		return 0
	}
	return s.child.Pid()
}

// Stop stops the server; the data stays where it is. Stopping twice is fine.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stop()
}

func (s *Server) stop() error {
	if s.child == nil {
		return nil
	}
	err := s.child.Stop()
	s.child = nil
	return errors.Join(err, s.killRest()) // a stopped server leaves none, a killed one may
}

// Close stops the server and moves its data to Home. It may be called twice.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.stop(); err != nil {
		return err
	}
	if s.workdir == s.cfg.Home {
		return nil
	}
	if err := move(s.workdir, s.cfg.Home); err != nil {
		return fmt.Errorf("move the data of %s from %s to %s: %w", s.cfg.Name, s.workdir, s.cfg.Home, err)
	}
	s.workdir = s.cfg.Home
	return os.RemoveAll(marker(s.cfg.Home))
}

// move renames, or copies where the two are on different file systems.
func move(from, to string) error {
	err := os.Rename(from, to)
	if !errors.Is(err, syscall.EXDEV) {
		return err
	}
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return os.RemoveAll(from)
}
