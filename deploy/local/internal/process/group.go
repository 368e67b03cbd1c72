package process

import (
	"context"
	"errors"
	"sync"
)

// Group is a set of children that are stopped together. It is safe for concurrent use.
type Group struct {
	mu       sync.Mutex
	children []*Child
}

// NewGroup is an empty group.
func NewGroup() *Group { return &Group{} }

// Start starts a child into the group.
func (g *Group) Start(ctx context.Context, spec Spec) (*Child, error) {
	c, err := Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.children = append(g.children, c)
	return c, nil
}

// StartAll starts children of one rank at once and waits until all are ready; the first error counts.
func (g *Group) StartAll(ctx context.Context, specs []Spec) error {
	errs := make([]error, len(specs))
	var wait sync.WaitGroup
	for i, spec := range specs {
		wait.Go(func() { _, errs[i] = g.Start(ctx, spec) })
	}
	wait.Wait()
	return errors.Join(errs...)
}

// Len is how many children there are.
func (g *Group) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.children)
}

// Stop stops all, one after the other, the last started first.
func (g *Group) Stop() error {
	g.mu.Lock()
	children := g.children
	g.children = nil
	g.mu.Unlock()
	errs := make([]error, len(children))
	for i := len(children) - 1; i >= 0; i-- {
		errs[i] = children[i].Stop()
	}
	return errors.Join(errs...)
}
