// Package process runs child processes that never outlive their parent.
//
// A child is told to end when the runner stops it, and is killed by the kernel when the runner dies in any other way
// (Linux's parent death signal). Children are in process groups of their own, so that Ctrl-C in a terminal reaches only the
// runner, which then stops them in order.
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// StopTimeout is how long a child may take to end after SIGTERM, before it is killed.
const StopTimeout = 12 * time.Second

// Spec says what to run.
type Spec struct {
	Name string
	Path string
	Args []string
	// Dir is the working folder; empty: the runner's.
	Dir string
	// Env is added to the runner's environment.
	Env []string
	// Log takes the child's output, appended.
	Log string
	// User is whom to run as; nil: the runner's user.
	User *syscall.Credential
	// StopSignal asks it to end; default SIGTERM.
	StopSignal syscall.Signal
	// DeathSignal is sent when the runner dies; default SIGKILL.
	DeathSignal syscall.Signal
	// Ready is asked until it returns nil; nil: ready at once.
	Ready func(context.Context) error
	// ReadyTimeout bounds that; default 30 s.
	ReadyTimeout time.Duration
}

// Child is a started process.
type Child struct {
	spec   Spec
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has ended
	err    error         // how, valid then
}

// starter starts commands on one thread that lives as long as the runner: the parent death signal is sent when the
// *thread* that started the child ends.
var starter = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for do := range work {
			do()
		}
	}()
	return work
})

// Start runs a child and waits until it is ready. When it ends before, the error has the end of its log.
func Start(ctx context.Context, spec Spec) (*Child, error) {
	log, err := os.OpenFile(spec.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own copy
	cmd := exec.Command(spec.Path, spec.Args...)
	cmd.Dir, cmd.Env = spec.Dir, append(os.Environ(), spec.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	if spec.DeathSignal == 0 {
		spec.DeathSignal = syscall.SIGKILL
	}
	if spec.StopSignal == 0 {
		spec.StopSignal = syscall.SIGTERM
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: spec.DeathSignal, Credential: spec.User}
	started := make(chan error)
	starter() <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	c := &Child{spec: spec, cmd: cmd, exited: make(chan struct{})}
	go func() {
		c.err = cmd.Wait()
		close(c.exited)
	}()
	if err := c.waitReady(ctx); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *Child) waitReady(ctx context.Context) error {
	if c.spec.Ready == nil {
		return nil
	}
	timeout := c.spec.ReadyTimeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var last error
	for {
		if last = c.spec.Ready(ctx); last == nil {
			return nil
		}
		select {
		case <-c.exited:
			return fmt.Errorf("%s ended before it was ready: %v\n%s", c.spec.Name, c.err, tail(c.spec.Log))
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w (last: %v)\n%s", c.spec.Name, ctx.Err(), last, tail(c.spec.Log))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Pid is the process's id.
func (c *Child) Pid() int { return c.cmd.Process.Pid }

// HasEnded says whether the process has ended.
func (c *Child) HasEnded() bool {
	select {
	case <-c.exited:
		return true
	default:
		return false
	}
}

// Kill ends it at once, as a crash would.
func (c *Child) Kill() {
	c.cmd.Process.Kill()
	<-c.exited
}

// Stop asks the process to end, and kills it after StopTimeout, which is an error. Stopping twice is fine.
func (c *Child) Stop() error {
	if c.HasEnded() {
		return nil
	}
	c.cmd.Process.Signal(c.spec.StopSignal) // fails only when it has ended
	select {
	case <-c.exited:
		return nil
	case <-time.After(StopTimeout):
		c.Kill()
		return fmt.Errorf("%s (pid %d) did not end within %s and was killed; its log is %s", c.spec.Name, c.Pid(), StopTimeout, c.spec.Log)
	}
}

// tail is the end of a log, for an error.
func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return path + ": ..." + string(b[max(0, len(b)-1500):])
}
