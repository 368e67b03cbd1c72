package dbtest

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const asServer = "CARDEA_TEST_DBTEST_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(asServer) != "" { // a test process that gets killed, see below
		s, err := start()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(s.dir)
		select {}
	}
	os.Exit(m.Run())
}

func TestTheServerEndsWithAKilledTestProcess(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asServer+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	dir := strings.TrimSpace(line)
	if err != nil || !serverAlive(dir) {
		t.Fatalf("no server in %q: %v", dir, err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		_, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is still there, server alive: %v", dir, serverAlive(dir))
		}
	}
}

func TestLeftoversOfDeadProcessesAreRemoved(t *testing.T) {
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	gone := filepath.Join(tmp, fmt.Sprintf("%s%d-x", folderPrefix, dead.Process.Pid))
	mine := filepath.Join(tmp, fmt.Sprintf("%s%d-x", folderPrefix, os.Getpid()))
	for _, dir := range []string{gone, mine} {
		if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	removeLeftovers()
	if _, err := os.Stat(gone); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a dead process's folder is still there")
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error("a living process's folder was removed")
	}
}

func TestTheServerIsReachableByItsSocketOnly(t *testing.T) {
	made := Make(t, Options{Schema: "bank"})
	var addresses string
	if err := made.DB.Pool().QueryRow(t.Context(), `SHOW listen_addresses`).Scan(&addresses); err != nil || addresses != "" {
		t.Fatalf("listens on %q (%v)", addresses, err)
	}
}

func TestDatabasesOfTestsAreApart(t *testing.T) {
	one, two := Make(t, Options{Schema: "bank"}), Make(t, Options{Schema: "bank", Regions: US(t)})
	for made, want := range map[*Database]string{one: "{eu-central,eu-west}", two: "{us-east}"} {
		var got string
		if err := made.DB.Pool().QueryRow(t.Context(), `SELECT enum_range(NULL::crdb_internal_region)::TEXT`).Scan(&got); err != nil || got != want {
			t.Errorf("regions %s, want %s (%v)", got, want, err)
		}
	}
}
