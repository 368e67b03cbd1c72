package process

import (
	"context"
	"errors"
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
