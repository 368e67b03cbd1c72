package dbtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const superuser = "postgres"

// folder's name holds the pid of the test process, so that a later run knows what is left over.
const folderPrefix = "cardea-dbtest-"

// supervisor runs PostgreSQL until its standard input ends, which is when the test process ends, however it ends. A line
// there says that PostgreSQL was killed and is to run again.
const supervisor = `
set -e
umask 077
"$BIN/initdb" -D "$DIR/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$DIR/log" 2>&1
run() {
	"$BIN/postgres" -D "$DIR/data" -c unix_socket_directories="$DIR" -c listen_addresses= -c max_connections=300 \
		-c shared_buffers=64MB -c fsync="$FSYNC" -c synchronous_commit="$FSYNC" -c full_page_writes="$FSYNC" -c autovacuum=off \
		-c max_wal_size=256MB </dev/null >>"$DIR/log" 2>&1 &
	pg=$!
}
run
while read -r _; do
	wait $pg || true
	run
done
kill -QUIT $pg || true
wait $pg || true
rm -rf "$DIR"
`

// server is a running private PostgreSQL.
type server struct {
	dir        string
	supervisor *exec.Cmd
	pipe       io.WriteCloser // its standard input. Kept reachable: were it collected as garbage, the server would end

	mu        sync.Mutex        // guards what follows, and the making of templates
	templates map[string]string // by what was migrated
	serial    int
}

var start = sync.OnceValues(func() (*server, error) { return startServer("off") })

// shared returns the process's server.
func shared(t testing.TB) *server {
	t.Helper()
	s, err := start()
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	return s
}

func startServer(fsync string) (*server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	removeLeftovers()
	dir, err := os.MkdirTemp("", folderPrefix+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/bin/sh", "-c", supervisor)
	cmd.Dir = dir
	cmd.Env = []string{"BIN=" + bin, "DIR=" + dir, "HOME=" + dir, "FSYNC=" + fsync, "LC_ALL=C.UTF-8", "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C is for the tests; the server ends with them
	if err := unprivileged(cmd, dir); err != nil {
		return nil, err
	}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{dir: dir, supervisor: cmd, pipe: pipe, templates: map[string]string{}}
	return s, s.wait()
}

// unprivileged lets cmd run as user postgres when we are root, as whom PostgreSQL refuses to run.
func unprivileged(cmd *exec.Cmd, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return fmt.Errorf("running as root needs a user postgres: %w", err)
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(dir, int(uid), int(gid))
}

// binaries finds the newest installed PostgreSQL.
func binaries() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	version := func(p string) int { n, _ := strconv.Atoi(strings.Split(p, "/")[4]); return n }
	if len(found) > 0 {
		return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
	}
	if p, err := exec.LookPath("postgres"); err == nil {
		return filepath.Dir(p), nil
	}
	return "", errors.New("no PostgreSQL server binaries in /usr/lib/postgresql/*/bin nor on PATH; on Debian and Ubuntu:\n" +
		"  mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' >> /etc/postgresql-common/createcluster.conf\n" +
		"  apt-get install -y postgresql")
}

// wait returns when the server answers.
func (s *server) wait() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.url(superuser, "postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("the private PostgreSQL did not start: %w\n%s", err, log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *server) url(role, name string) string {
	u := url.URL{Scheme: "postgres", User: url.User(role), Path: "/" + name}
	u.RawQuery = url.Values{"host": {s.dir}, "port": {"5432"}, "sslmode": {"disable"}}.Encode()
	return u.String()
}

// removeLeftovers deletes folders of test processes that are gone and whose supervisor was killed too.
func removeLeftovers() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), folderPrefix+"*"))
	for _, dir := range dirs {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), folderPrefix), "-")
		n, err := strconv.Atoi(pid)
		if err != nil || alive(n) || serverAlive(dir) {
			continue
		}
		os.RemoveAll(dir)
	}
}

func alive(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// serverAlive: the supervisor of a dead process may be ending its server just now.
func serverAlive(dir string) bool {
	pid, err := (&server{dir: dir}).postmaster()
	return err == nil && alive(pid)
}
