package process_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/deploy/local/internal/process"
)

// TestMain lets the test program be the runner that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("RUNNER_DIR"); dir != "" {
		for _, user := range users() {
			c, err := process.Start(context.Background(), process.Spec{
				Name: "sleeper", Path: "/bin/sleep", Args: []string{"1000"}, Log: filepath.Join(dir, "log"), User: user,
			})
			if err != nil {
				fmt.Println("error", err)
				os.Exit(1)
			}
			fmt.Println(c.Pid())
		}
		fmt.Println("done")
		select {}
	}
	os.Exit(m.Run())
}

// users are the own user and, for root, another.
func users() []*syscall.Credential {
	if os.Getuid() != 0 {
		return []*syscall.Credential{nil}
	}
	return []*syscall.Credential{nil, {Uid: 65534, Gid: 65534}}
}

func alive(pid int) bool {
	state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(state), ") Z ")
}

func TestChildrenDieWithAKilledRunner(t *testing.T) {
	runner := exec.Command(os.Args[0])
	runner.Env = append(os.Environ(), "RUNNER_DIR="+t.TempDir())
	out, err := runner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := runner.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []int
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "done"; {
		pid, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatalf("the runner says %q", lines.Text())
		}
		pids = append(pids, pid)
	}
	if len(pids) != len(users()) {
		t.Fatalf("%d children, want %d", len(pids), len(users()))
	}
	for _, pid := range pids {
		if !alive(pid) {
			t.Fatalf("child %d is not running", pid)
		}
	}
	runner.Process.Kill()
	runner.Wait()
	deadline := time.Now().Add(5 * time.Second)
	for _, pid := range pids {
		for alive(pid) {
			if time.Now().After(deadline) {
				t.Fatalf("child %d outlived its runner", pid)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

func shell(t *testing.T, script string) process.Spec {
	return process.Spec{Name: "shell", Path: "/bin/sh", Args: []string{"-c", script}, Log: filepath.Join(t.TempDir(), "log")}
}

func TestReadyIsWaitedFor(t *testing.T) {
	flag := filepath.Join(t.TempDir(), "flag")
	spec := shell(t, "sleep 0.1; touch "+flag+"; exec sleep 1000")
	spec.Ready = func(context.Context) error { _, err := os.Stat(flag); return err }
	c, err := process.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if alive(c.Pid()) {
		t.Fatal("still running after Stop")
	}
	if err := c.Stop(); err != nil {
		t.Fatal("a second Stop is not fine:", err)
	}
}

func TestAnEarlyEndShowsTheLog(t *testing.T) {
	spec := shell(t, "echo the port is taken; exit 3")
	spec.Ready = func(context.Context) error { return errors.New("not yet") }
	_, err := process.Start(t.Context(), spec)
	if err == nil || !strings.Contains(err.Error(), "the port is taken") || !strings.Contains(err.Error(), "exit status 3") {
		t.Fatalf("got %v", err)
	}
}

func TestAGroupStopsTheLastStartedFirst(t *testing.T) {
	order := filepath.Join(t.TempDir(), "order")
	g := process.NewGroup()
	for _, name := range []string{"one", "two", "three"} {
		ready := filepath.Join(t.TempDir(), "ready")
		spec := shell(t, fmt.Sprintf("trap 'echo %s >> %s; exit' TERM; touch %s; while :; do sleep 0.01; done", name, order, ready))
		spec.Ready = func(context.Context) error { _, err := os.Stat(ready); return err }
		if _, err := g.Start(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(order)
	if err != nil || string(got) != "three\ntwo\none\n" {
		t.Fatalf("order %q, %v", got, err)
	}
}

func TestAKilledChildIsRestartedAsItWas(t *testing.T) {
	g := process.NewGroup()
	starts := filepath.Join(t.TempDir(), "starts")
	spec := shell(t, "echo up >> "+starts+"; exec sleep 1000")
	spec.Name = "sleeper"
	spec.Ready = func(context.Context) error { _, err := os.Stat(starts); return err }
	first, err := g.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Restart(t.Context(), "sleeper"); err == nil {
		t.Fatal("a running child was started twice")
	}
	if err := g.Kill("sleeper"); err != nil || alive(first.Pid()) {
		t.Fatalf("killed: %v, alive: %t", err, alive(first.Pid()))
	}
	os.Remove(starts)
	if err := g.Restart(t.Context(), "sleeper"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(starts); err != nil || g.Len() != 1 {
		t.Fatalf("not ready, or %d children instead of 1: %v", g.Len(), err)
	}
	if err := g.Kill("nobody"); err == nil {
		t.Fatal("somebody unknown was killed")
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
}

// said is what Tend wrote.
type said struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *said) await(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		s.mu.Lock()
		now := s.text.String()
		s.mu.Unlock()
		if strings.Contains(now, text) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%q was not said: %s", text, now)
		}
	}
}

func TestATendedGroupSaysWhoEndedAndStartsItAgain(t *testing.T) {
	g := process.NewGroup()
	t.Cleanup(func() { g.Stop() })
	for _, name := range []string{"one", "two"} {
		if _, err := g.Start(t.Context(), process.Spec{Name: name, Path: "/bin/sleep", Args: []string{"600"}, Log: filepath.Join(t.TempDir(), name)}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	again, out, done := make(chan struct{}), new(said), make(chan struct{})
	go func() {
		defer close(done)
		process.Tend(ctx, out, again, g.Ended)
	}()
	for range 2 {
		if err := g.Kill("two"); err != nil {
			t.Fatal(err)
		}
		out.await(t, "two (pid ")
		again <- struct{}{}
		out.await(t, "two runs again\n")
		out.mu.Lock()
		out.text.Reset()
		out.mu.Unlock()
	}
	cancel()
	<-done
}
