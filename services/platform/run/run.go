// Package run starts the long-running parts of a process, waits for them, and stops them.
//
// A Group promises: the first part that fails (or the end of the parent context) cancels all of them; a panic is an error
// with its stack; when the parts have ended, the stop hooks run in the reverse order of their registration; and all of this
// after the cancel has one deadline (StopTimeout), after which Wait returns an error that names who hangs. The cause is kept:
// errors.Is finds it.
//
// Go and OnStop may be called from any goroutine until Wait returns.
package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// StopTimeout is how long a group may take from its cancel to the end: shorter than the 30 s that Kubernetes waits before it kills.
const StopTimeout = 10 * time.Second

// DrainTimeout is the share of StopTimeout that the parts have; the rest is kept for the hooks (flush telemetry, close pools).
const DrainTimeout = 8 * time.Second

// ErrHang is in the error of Wait when parts or hooks were still running at the deadline.
var ErrHang = errors.New("did not stop in time")

// Group is a set of parts that live and die together.
type Group struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	logger *slog.Logger

	mu      sync.Mutex // guards what follows
	running map[string]int
	hooks   []hook
	first   error
	idle    chan struct{} // closed when running becomes empty after a cancel; nil before Wait asks
}

type hook struct {
	name string
	stop func(context.Context) error
}

// New makes a group under ctx.
func New(ctx context.Context, logger *slog.Logger) *Group {
	g := &Group{logger: logger, running: map[string]int{}}
	g.ctx, g.cancel = context.WithCancelCause(ctx)
	return g
}

// Context ends when the group stops.
func (g *Group) Context() context.Context { return g.ctx }

// Go starts a part. It should return soon after its context ends; returning nil earlier just ends this part.
func (g *Group) Go(name string, part func(context.Context) error) {
	g.mu.Lock()
	g.running[name]++
	g.mu.Unlock()
	go func() {
		err := safely(func() error { return part(g.ctx) })
		g.ended(name, err)
	}()
}

// OnStop registers a hook for the time after the cancel. Its context ends at the group's deadline.
func (g *Group) OnStop(name string, stop func(context.Context) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hooks = append(g.hooks, hook{name, stop})
}

func (g *Group) ended(name string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running[name]--; g.running[name] == 0 {
		delete(g.running, name)
	}
	// After the cancel, "the context ended" is the expected answer and not news.
	stopping := g.ctx.Err() != nil
	if err != nil && !(stopping && errors.Is(err, context.Canceled)) {
		err = fmt.Errorf("%s: %w", name, err)
		if g.first == nil {
			g.first = err
		} else {
			g.logger.Warn("a part failed while others were stopping", "part", name, "error", err)
		}
		g.cancel(err)
	}
	if g.idle != nil && len(g.running) == 0 {
		close(g.idle)
		g.idle = nil
	}
}

// Wait blocks until a part fails, the parent context ends or all parts returned; then stops everything: the parts first
// (a server drains its calls), then the hooks (which close what the parts used). It returns the first error, nil when there
// was none, joined with those of the hooks and with ErrHang when a deadline passed.
func (g *Group) Wait() error {
	select {
	case <-g.ctx.Done():
	case <-g.whenIdle():
	}
	g.cancel(context.Canceled)
	ctx, done := context.WithTimeout(context.WithoutCancel(g.ctx), StopTimeout)
	defer done()
	hang := errors.Join(g.drain(ctx), g.runHooks(ctx))
	g.mu.Lock()
	defer g.mu.Unlock()
	return errors.Join(g.first, hang)
}

func (g *Group) drain(ctx context.Context) error {
	ctx, done := context.WithTimeout(ctx, DrainTimeout)
	defer done()
	select {
	case <-g.whenIdle():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %s", ErrHang, g.who())
	}
}

func (g *Group) runHooks(ctx context.Context) error {
	g.mu.Lock()
	hooks := slices.Clone(g.hooks)
	g.mu.Unlock()
	var errs []error
	for _, h := range slices.Backward(hooks) {
		finished := make(chan error, 1)
		go func() { finished <- safely(func() error { return h.stop(ctx) }) }()
		select {
		case err := <-finished:
			if err != nil {
				errs = append(errs, fmt.Errorf("stop %s: %w", h.name, err))
			}
		case <-ctx.Done():
			return errors.Join(append(errs, fmt.Errorf("%w: stop hook %s", ErrHang, h.name))...)
		}
	}
	return errors.Join(errs...)
}

// whenIdle returns a channel that is closed once no part runs. Only Wait calls it, one channel at a time.
func (g *Group) whenIdle() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	idle := make(chan struct{})
	if len(g.running) == 0 {
		close(idle)
	} else {
		g.idle = idle
	}
	return idle
}

func (g *Group) who() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var names []string
	for name := range g.running {
		names = append(names, name)
	}
	slices.Sort(names)
	if len(names) == 0 {
		return "no part"
	}
	return strings.Join(names, ", ")
}

func safely(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}

// Main runs a program until it returns or SIGINT or SIGTERM comes, prints its error to stderr, and exits: 0 without an
// error, 1 with one. A second signal kills at once. Only main functions call it.
func Main(program func(context.Context) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // give the signals back, so that the next one kills
	if err := safely(func() error { return program(ctx) }); err != nil && !(ctx.Err() != nil && errors.Is(err, context.Canceled)) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
