package postgres_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/deploy/local/internal/process"
)

func TestATendedServerThatSomebodyKilledIsSaidAndStartedAgain(t *testing.T) {
	dir := t.TempDir()
	s, cfg := newServer(t, dir)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	again, lines := tend(t, s.Ended)
	exec1(t, dir, cfg.Address, "CREATE TABLE kept AS SELECT 'still here' AS word")
	for range 2 {
		if err := s.Start(t.Context()); err == nil {
			t.Fatal("a running server was started twice")
		}
		// A child that hangs outlives its server, and keeps the shared memory in use.
		pid := s.Pid()
		family := descendants(pid)
		if err := process.Freeze(family[0]); err != nil {
			t.Fatal(err)
		}
		syscall.Kill(pid, syscall.SIGKILL)
		lines.want(t, fmt.Sprintf("PostgreSQL of eu (pid %d) ended: signal: killed; press Enter to start it again", pid))
		again <- struct{}{}
		lines.want(t, "PostgreSQL of eu runs again")
		if got := exec1(t, dir, cfg.Address, "SELECT word FROM kept"); got != "still here" {
			t.Fatalf("after the restart: %q", got)
		}
		if alive(family[0]) {
			t.Error("what hung of the killed server is still there")
		}
	}
}

func TestAServerThatIsStoppedOrKilledOnPurposeHasNotEnded(t *testing.T) {
	s, _ := newServer(t, t.TempDir())
	for name, end := range map[string]func() error{"stopped": s.Stop, "killed": s.Kill} {
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := end(); err != nil || len(s.Ended()) > 0 {
			t.Errorf("%s: %v, ended: %v", name, err, s.Ended())
		}
	}
}

func TestStoppingAServerThatSomebodyKilledLeavesNothing(t *testing.T) {
	s, _ := newServer(t, t.TempDir())
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	pid := s.Pid()
	family := descendants(pid)
	if err := process.Freeze(family[0]); err != nil {
		t.Fatal(err)
	}
	syscall.Kill(pid, syscall.SIGKILL)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, p := range append(family, pid) {
		if alive(p) {
			t.Errorf("process %d is alive", p)
		}
	}
}

// said are the lines that Tend writes.
type said struct{ lines chan string }

// tend tends until the test ends.
func tend(t *testing.T, ended func() []process.Ended) (again chan<- struct{}, _ said) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	in, out := io.Pipe()
	enter, done, s := make(chan struct{}), make(chan struct{}), said{make(chan string, 100)}
	go func() {
		defer close(done)
		process.Tend(ctx, out, enter, ended)
		out.Close()
	}()
	go func() {
		for text := bufio.NewScanner(in); text.Scan(); {
			s.lines <- text.Text()
		}
		close(s.lines)
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return enter, s
}

// want takes the next line.
func (s said) want(t *testing.T, line string) {
	t.Helper()
	select {
	case got := <-s.lines:
		if strings.TrimSpace(got) != line {
			t.Fatalf("said %q, want %q", got, line)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("%q was not said", line)
	}
}
