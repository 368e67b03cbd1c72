package dbtest

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cockroachdb/cockroach-go/v2/testserver"
)

// engineVariable set to "cockroach" lets New and Make use the cluster too, so that whole suites run on it.
const engineVariable = "CARDEA_TEST_ENGINE"

// Cockroach makes a database on a real CockroachDB of three nodes, in eu-central, eu-west and us-east, that all tests of
// the process share. The binary is COCKROACH_BINARY or `cockroach` on PATH; it is never downloaded. Without one the test is
// skipped, loudly, or fails where CI_REQUIRE_COCKROACH is 1.
func Cockroach(t testing.TB, schema string, sets ...fs.FS) *Database {
	t.Helper()
	return makeCockroach(t, Options{Schema: schema, Sets: sets})
}

func makeCockroach(t testing.TB, opts Options) *Database {
	t.Helper()
	binary := cockroachBinary()
	if binary == "" {
		noCockroach(t)
	}
	cluster, err := startCluster(binary)
	if err != nil {
		t.Fatalf("dbtest: start CockroachDB: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	name := cluster.nextName()
	layout := database.Layout{Database: name, Regions: Regions(t).All(), Services: []database.Service{{Schema: opts.Schema}}}
	if err := database.Bootstrap(ctx, cluster.url("root", "defaultdb"), database.Cockroach, layout); err != nil {
		t.Fatal(err)
	}
	made := &Database{Schema: opts.Schema, URL: cluster.url(opts.Schema, name), OwnerURL: cluster.url(opts.Schema+"_owner", name),
		AdminURL: cluster.url("root", name)}
	if err := database.Migrate(ctx, made.OwnerURL, database.Cockroach, opts.Schema, opts.Sets...); err != nil {
		t.Fatal(err)
	}
	made.DB = Open(t, database.Config{URL: made.URL, Engine: database.Cockroach, Schema: opts.Schema, MaxConns: opts.MaxConns})
	return made
}

func cockroachBinary() string {
	if named := os.Getenv("COCKROACH_BINARY"); named != "" {
		return named
	}
	found, _ := exec.LookPath("cockroach")
	return found
}

func noCockroach(t testing.TB) {
	t.Helper()
	const how = "no CockroachDB binary: put `cockroach` (24.3 or later) on PATH, or name it in COCKROACH_BINARY"
	if os.Getenv("CI_REQUIRE_COCKROACH") == "1" {
		t.Fatal(how)
	}
	fmt.Fprintf(os.Stderr, "\n=== SKIP === %s\n=== SKIP === NOT TESTED ON COCKROACHDB: %s\n\n", t.Name(), how)
	t.Skip(how)
}

// cluster is the process's CockroachDB.
type cluster struct {
	server testserver.TestServer
	reaper *exec.Cmd // kept reachable, like server.supervisor

	mu     sync.Mutex // guards serial
	serial int
}

var cockroach struct {
	once    sync.Once
	cluster *cluster
	err     error
}

func startCluster(binary string) (*cluster, error) {
	cockroach.once.Do(func() {
		cockroach.cluster, cockroach.err = newCluster(binary)
	})
	return cockroach.cluster, cockroach.err
}

func newCluster(binary string) (*cluster, error) {
	regions := []region.Name{"eu-central", "eu-west", "us-east"}
	var localities []string
	for _, r := range regions {
		localities = append(localities, "region="+string(r))
	}
	s, err := testserver.NewTestServer(testserver.CockroachBinaryPathOpt(binary), testserver.ThreeNodeOpt(),
		testserver.LocalityFlagsOpt(localities...), testserver.ListenAddrHostOpt("127.0.0.1"))
	if err != nil {
		return nil, err
	}
	reaper, err := endWithUs(binary)
	if err != nil {
		s.Stop()
		return nil, err
	}
	for n := range regions {
		if err := s.WaitForInitFinishForNode(n); err != nil {
			return nil, err
		}
	}
	return &cluster{server: s, reaper: reaper}, nil
}

// url of the insecure cluster's first node.
func (c *cluster) url(role, name string) string {
	u := *c.server.PGURLForNode(0)
	u.User = nil
	q := u.Query()
	q.Set("user", role)
	u.Path, u.RawQuery = "/"+name, q.Encode()
	return u.String()
}

func (c *cluster) nextName() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serial++
	return "test_" + strconv.Itoa(c.serial)
}

// endWithUs lets a shell wait for the end of this process, as for PostgreSQL, and then end the nodes and remove their
// folder: testserver would leave them behind when a test process is killed.
func endWithUs(binary string) (*exec.Cmd, error) {
	pids, dirs := nodes(binary)
	const script = `read -r _ || true; kill -9 $PIDS; for d in $DIRS; do rm -rf "$d"; done`
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Env = []string{"PIDS=" + strings.Join(pids, " "), "DIRS=" + strings.Join(dirs, " "), "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if _, err := cmd.StdinPipe(); err != nil {
		return nil, err
	}
	return cmd, cmd.Start()
}

// nodes finds this process's children that run binary, and testserver's folder, which their command lines name.
func nodes(binary string) (pids, dirs []string) {
	const folder = "--listening-url-file="
	entries, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, entry := range entries {
		line, _ := os.ReadFile(entry)
		args := strings.Split(string(line), "\x00")
		if args[0] != binary || parentOf(filepath.Dir(entry)) != os.Getpid() {
			continue
		}
		pids = append(pids, filepath.Base(filepath.Dir(entry)))
		for _, a := range args {
			if file, ok := strings.CutPrefix(a, folder); ok {
				dirs = append(dirs, filepath.Dir(file))
			}
		}
	}
	return pids, dirs
}

func parentOf(proc string) int {
	stat, _ := os.ReadFile(filepath.Join(proc, "stat"))
	_, rest, _ := strings.Cut(string(stat), ") ") // after the name, which may hold anything
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		return 0
	}
	ppid, _ := strconv.Atoi(fields[1])
	return ppid
}

// OnCockroach runs tests again, with New and Make giving databases on CockroachDB. Where there is none it skips as
// Cockroach does. The databases have the regions of both jurisdictions, whatever Options say.
func OnCockroach(t *testing.T, tests map[string]func(*testing.T)) {
	t.Helper()
	if cockroachBinary() == "" {
		noCockroach(t)
	}
	t.Setenv(engineVariable, string(database.Cockroach))
	for name, test := range tests {
		t.Run(name, test)
	}
}
