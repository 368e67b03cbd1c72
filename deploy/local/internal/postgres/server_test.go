package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cardea-mesh/cardea/deploy/local/internal/postgres"
	"github.com/cardea-mesh/cardea/services/platform/pki"
)

const password = "only this run knows"

// TestMain lets the test program be the runner that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("RUNNER_DIR"); dir != "" {
		fmt.Println(runner(dir))
		select {}
	}
	os.Exit(m.Run())
}

// runner starts a server as the local runner does and says its pid, or what went wrong.
func runner(dir string) string {
	cfg, err := config(dir)
	if err != nil {
		return err.Error()
	}
	s, err := postgres.New(context.Background(), cfg)
	if err != nil {
		return err.Error()
	}
	if err := s.Start(context.Background()); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("running %d %s", s.Pid(), filepath.Dir(s.DataDir()))
}

func config(dir string) (postgres.Config, error) {
	ca, err := pki.NewRoot("test", time.Now().Add(time.Hour))
	if err != nil {
		return postgres.Config{}, err
	}
	pair, err := ca.IssueServer("127.0.0.1")
	if err != nil {
		return postgres.Config{}, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return postgres.Config{}, err
	}
	defer l.Close()
	return postgres.Config{
		Name: "PostgreSQL of eu", Home: filepath.Join(dir, "eu", "postgres"), Address: l.Addr().String(), Password: password,
		CertPEM: pair.CertPEM, KeyPEM: pair.KeyPEM, Log: filepath.Join(dir, "log"),
	}, os.WriteFile(filepath.Join(dir, "ca.pem"), ca.CertPEM(), 0o600)
}

// newServer is an initialised server; it is stopped, and its data gone, when the test ends.
func newServer(t *testing.T, dir string) (*postgres.Server, postgres.Config) {
	t.Helper()
	cfg, err := config(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := postgres.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), postgres.Sweep(cfg.Home)); err != nil {
			t.Error(err)
		}
	})
	return s, cfg
}

func connect(t *testing.T, dir, address, secret, sslmode string) (*pgx.Conn, error) {
	t.Helper()
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword("postgres", secret), Host: address, Path: "/postgres",
		RawQuery: url.Values{"sslmode": {sslmode}, "sslrootcert": {filepath.Join(dir, "ca.pem")}}.Encode(),
	}
	if sslmode == "disable" {
		u.RawQuery = "sslmode=disable"
	}
	return pgx.Connect(t.Context(), u.String())
}

func exec1(t *testing.T, dir, address, sql string) string {
	t.Helper()
	conn, err := connect(t, dir, address, password, "verify-full")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var got string
	if err := conn.QueryRow(t.Context(), sql).Scan(&got); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		t.Fatal(err)
	}
	return got
}

func TestAStoppedServerComesBackOnItsPortWithItsRows(t *testing.T) {
	dir := t.TempDir()
	s, cfg := newServer(t, dir)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	exec1(t, dir, cfg.Address, "CREATE TABLE kept AS SELECT 'still here' AS word")
	open, err := connect(t, dir, cfg.Address, password, "verify-full") // a session does not keep it from stopping
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close(context.Background())
	for range 2 {
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := connect(t, dir, cfg.Address, password, "verify-full"); err == nil {
		t.Fatal("answers after Stop")
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := exec1(t, dir, cfg.Address, "SELECT word FROM kept"); got != "still here" {
		t.Fatalf("after the restart: %q", got)
	}

	running := s.DataDir()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(cfg.Home, "data", "PG_VERSION")); err != nil {
		t.Fatal("the data is not at its home:", err)
	}
	if _, err := os.Stat(running); running != s.DataDir() && !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a copy was left in %s (%v)", running, err)
	}
}

func TestOnlyTLSAndThePasswordOpenIt(t *testing.T) {
	dir := t.TempDir()
	s, cfg := newServer(t, dir)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := exec1(t, dir, cfg.Address, "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"); got != "TLSv1.3" {
		t.Errorf("the session's protocol is %q", got)
	}
	if got := exec1(t, dir, cfg.Address, "SELECT current_setting('fsync') || current_setting('unix_socket_directories')"); got != "on" {
		t.Errorf("fsync and sockets: %q", got)
	}
	for name, c := range map[string]struct{ secret, sslmode string }{
		"without TLS":    {password, "disable"},
		"wrong password": {"guess", "verify-full"},
		"no password":    {"", "verify-full"},
	} {
		if conn, err := connect(t, dir, cfg.Address, c.secret, c.sslmode); err == nil {
			conn.Close(context.Background())
			t.Errorf("%s: let in", name)
		}
	}
}

func TestTheServerDiesWithAKilledRunner(t *testing.T) {
	dir := t.TempDir()
	home := filepath.Join(dir, "eu", "postgres")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "RUNNER_DIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	var pid int
	var workdir string
	if _, err := fmt.Fscanf(out, "running %d %s\n", &pid, &workdir); err != nil {
		t.Fatalf("the runner did not start it: %v", err)
	}
	family := append(descendants(pid), pid)
	if len(family) < 3 {
		t.Fatalf("server %d has no processes of its own: %v", pid, family)
	}
	cmd.Process.Kill()
	cmd.Wait()
	deadline := time.Now().Add(10 * time.Second)
	for _, p := range family {
		for alive(p) {
			if time.Now().After(deadline) {
				t.Fatalf("process %d of the server outlived the runner", p)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	if err := postgres.Sweep(home); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{workdir, home} {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left after Sweep (%v)", path, err)
		}
	}
}

// descendants are the direct children of a process.
func descendants(pid int) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	var found []int
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:])) // state ppid ...
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			found = append(found, child)
		}
	}
	return found
}

func alive(pid int) bool {
	state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(state), ") Z ")
}
