package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Group is a set of children that are stopped together. It is safe for concurrent use.
type Group struct {
	mu    sync.Mutex
	ranks [][]*Child // in the order of their starting; children of one rank do not need each other
}

// NewGroup is an empty group.
func NewGroup() *Group { return &Group{} }

// Start starts a child into the group, as a rank of its own.
func (g *Group) Start(ctx context.Context, spec Spec) (*Child, error) {
	c, err := Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	g.add(c)
	return c, nil
}

// StartAll starts children at once, as one rank, and waits until all are ready. On an error those that started are in the
// group, for Stop.
func (g *Group) StartAll(ctx context.Context, specs []Spec) error {
	children, errs := make([]*Child, len(specs)), make([]error, len(specs))
	var wait sync.WaitGroup
	for i, spec := range specs {
		wait.Go(func() { children[i], errs[i] = Start(ctx, spec) })
	}
	wait.Wait()
	g.add(slices.DeleteFunc(children, func(c *Child) bool { return c == nil })...)
	return errors.Join(errs...)
}

func (g *Group) add(rank ...*Child) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ranks = append(g.ranks, rank)
}

// Kill ends the child of that name at once, as a crash would. One that has ended already stays as it is.
func (g *Group) Kill(name string) error {
	c, err := g.find(name)
	if err != nil {
		return err
	}
	c.Kill()
	return nil
}

// Freeze stops the child of that name where it is, so that it hangs: it keeps its connections and answers nothing. Thaw lets
// it go on. Stop kills a frozen child after its time.
func (g *Group) Freeze(name string) error { return g.with(name, Freeze) }

// Thaw ends what Freeze began.
func (g *Group) Thaw(name string) error { return g.with(name, Thaw) }

func (g *Group) with(name string, do func(pid int) error) error {
	c, err := g.find(name)
	if err != nil {
		return err
	}
	return do(c.Pid())
}

// Restart starts the child of that name anew, as it was and in its rank, and waits until it is ready. It must have ended.
// When it does not get ready the group keeps the ended one, and Restart may be called again.
func (g *Group) Restart(ctx context.Context, name string) error {
	ended, err := g.find(name)
	if err != nil {
		return err
	}
	if !ended.HasEnded() {
		return fmt.Errorf("%s (pid %d) runs", name, ended.Pid())
	}
	anew, err := Start(ctx, ended.spec)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, rank := range g.ranks {
		if i := slices.Index(rank, ended); i >= 0 {
			rank[i] = anew
			return nil
		}
	}
	return errors.Join(fmt.Errorf("the group was stopped while %s started", name), anew.Stop())
}

func (g *Group) find(name string) (*Child, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range slices.Concat(g.ranks...) {
		if c.spec.Name == name {
			return c, nil
		}
	}
	return nil, fmt.Errorf("there is no process %q", name)
}

// Len is how many children there are.
func (g *Group) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, rank := range g.ranks {
		n += len(rank)
	}
	return n
}

// Stop stops all: rank after rank, the last started first, those of a rank at once.
func (g *Group) Stop() error {
	g.mu.Lock()
	ranks := g.ranks
	g.ranks = nil
	g.mu.Unlock()
	var errs []error
	for _, rank := range slices.Backward(ranks) {
		stopped := make([]error, len(rank))
		var wait sync.WaitGroup
		for i, c := range rank {
			wait.Go(func() { stopped[i] = c.Stop() })
		}
		wait.Wait()
		errs = append(errs, stopped...)
	}
	return errors.Join(errs...)
}
