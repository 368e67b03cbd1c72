package cluster_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestTheRunnerLeavesNothingBehind ends the runner in the ways in which people end it, at several moments, on one state folder.
func TestTheRunnerLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	state := newState(t)
	for _, moment := range []string{"a PostgreSQL per jurisdiction", "four services per region"} {
		t.Run("Ctrl-C while starting: "+moment, func(t *testing.T) {
			r := startRunner(t, state, "demo")
			r.waitLine("starting: " + moment)
			r.signal(syscall.SIGINT)
			r.mustEnd(1)
			r.nothingRuns()
		})
	}
	t.Run("kill -9 while starting", func(t *testing.T) {
		r := startRunner(t, state, "demo")
		r.waitLine("starting: a PostgreSQL per jurisdiction")
		r.signal(syscall.SIGKILL)
		r.mustEnd(-1)
		r.nothingRuns()
	})
	t.Run("a second runner, then kill -9 in the story", func(t *testing.T) {
		r := startRunner(t, state, "demo")
		r.waitLine("up after")
		for _, command := range []string{"run", "demo", "clean"} {
			second := startRunner(t, state, command)
			second.mustEnd(1)
			if !strings.Contains(second.errors.String(), "another cardea-local uses "+state) {
				t.Errorf("a second %s says %q", command, second.errors.String())
			}
		}
		r.waitLine(" 6/")
		r.signal(syscall.SIGKILL)
		r.mustEnd(-1)
		r.nothingRuns()
	})
	t.Run("the next start works, then Ctrl-C in the story", func(t *testing.T) {
		r := startRunner(t, state, "run")
		r.waitLine(" 6/")
		r.signal(syscall.SIGINT)
		r.mustEnd(1)
		r.nothingRuns()
		for _, j := range []string{"eu", "us"} {
			if _, err := os.Stat(filepath.Join(state, j, "postgres", "data", "PG_VERSION")); err != nil {
				t.Errorf("the data of %s is not in the state folder: %v", j, err)
			}
		}
	})
	t.Run("clean", func(t *testing.T) {
		startRunner(t, state, "clean").mustEnd(0)
		left, err := os.ReadDir(state)
		must(t, err)
		for _, entry := range left {
			if name := entry.Name(); name != "bin" && name != "lock" {
				t.Errorf("left in the state folder: %s", name)
			}
		}
	})
}

// runner is a running cardea-local, in a process group of its own, as a terminal would start it.
type runner struct {
	t      *testing.T
	state  string
	cmd    *exec.Cmd
	lines  chan string
	errors bytes.Buffer
	// workdirs are where databases ran, outside the state folder.
	workdirs map[string]bool
	ended    chan struct{}
}

func startRunner(t *testing.T, state, command string) *runner {
	t.Helper()
	r := &runner{t: t, state: state, lines: make(chan string, 1000), workdirs: map[string]bool{}, ended: make(chan struct{})}
	r.cmd = exec.Command(filepath.Join(state, "bin", "cardea-local"), "-state", state, command)
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r.cmd.Stderr = &r.errors
	out, err := r.cmd.StdoutPipe()
	must(t, err)
	must(t, r.cmd.Start())
	end := sync.OnceFunc(func() {
		r.signal(syscall.SIGKILL)
		<-r.ended
	})
	t.Cleanup(end)
	go func() {
		defer close(r.ended)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			r.lines <- scanner.Text()
		}
		close(r.lines)
		r.cmd.Wait()
	}()
	return r
}

// waitLine reads the output up to the line that begins with the text.
func (r *runner) waitLine(beginning string) {
	r.t.Helper()
	timeout := time.After(60 * time.Second)
	for {
		select {
		case line, more := <-r.lines:
			if !more {
				r.t.Fatalf("ended without a line %q: %s", beginning, r.errors.String())
			}
			r.noteWorkdirs()
			if strings.HasPrefix(line, beginning) {
				return
			}
		case <-timeout:
			r.t.Fatalf("no line %q", beginning)
		}
	}
}

func (r *runner) noteWorkdirs() {
	markers, _ := filepath.Glob(filepath.Join(r.state, "*", "postgres.running"))
	for _, marker := range markers {
		if dir, err := os.ReadFile(marker); err == nil && len(dir) > 0 {
			r.workdirs[string(dir)] = true
		}
	}
}

// signal goes to the whole process group, as from a terminal.
func (r *runner) signal(s syscall.Signal) { syscall.Kill(-r.cmd.Process.Pid, s) }

func (r *runner) mustEnd(code int) {
	r.t.Helper()
	r.noteWorkdirs()
	for timeout := time.After(30 * time.Second); ; {
		select {
		case <-r.lines:
			continue
		case <-r.ended:
		case <-timeout:
			r.t.Fatal("the runner does not end")
		}
		break
	}
	if got := r.cmd.ProcessState.ExitCode(); got != code {
		r.t.Fatalf("exit code %d, want %d: %s", got, code, r.errors.String())
	}
}

// nothingRuns gives the kernel a moment to take a killed runner's children away.
func (r *runner) nothingRuns() {
	r.t.Helper()
	r.noteWorkdirs()
	deadline := time.Now().Add(5 * time.Second)
	for {
		left := r.processes()
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("left running:\n%s", strings.Join(left, "\n"))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// processes are those that work in the state folder, in a database's folder, or name one of them on their command line.
func (r *runner) processes() []string {
	dirs := []string{r.state}
	for dir := range r.workdirs {
		dirs = append(dirs, dir)
	}
	all, err := filepath.Glob("/proc/[0-9]*")
	must(r.t, err)
	var found []string
	for _, process := range all {
		cmdline, err := os.ReadFile(filepath.Join(process, "cmdline"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ESRCH) {
			r.t.Fatal(err)
		}
		cwd, _ := os.Readlink(filepath.Join(process, "cwd"))
		for _, dir := range dirs {
			if strings.Contains(string(cmdline), dir) || strings.HasPrefix(cwd, dir) {
				found = append(found, fmt.Sprintf("%s in %s: %s", process, cwd, bytes.ReplaceAll(cmdline, []byte{0}, []byte(" "))))
				break
			}
		}
	}
	return found
}
