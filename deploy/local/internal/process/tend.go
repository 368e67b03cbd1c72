package process

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// tendEvery is how often it is looked whether a child has ended.
const tendEvery = 200 * time.Millisecond

// Ended is a child that has ended although nobody stopped it.
type Ended struct {
	*Child
	// Restart starts it anew, as it was, and returns when it is ready.
	Restart func(context.Context) error
}

// Tend says on out when a child has ended, and at each value of again starts those anew that have, one after the other in the order
// in which ended returns them: one that others need to get ready comes before them. It returns when ctx ends; only it calls ended.
func Tend(ctx context.Context, out io.Writer, again <-chan struct{}, ended func() []Ended) {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	var said []*Child
	for {
		select {
		case <-ctx.Done():
			return
		case <-again:
			for _, e := range ended() {
				if err := e.Restart(ctx); err != nil {
					fmt.Fprintf(out, "%s does not start: %v\n", e.spec.Name, err)
					continue
				}
				fmt.Fprintf(out, "%s runs again\n", e.spec.Name)
			}
		case <-tick.C:
			for _, e := range ended() {
				if !slices.Contains(said, e.Child) {
					said = append(said, e.Child)
					fmt.Fprintf(out, "%s (pid %d) ended: %v; press Enter to start it again\n", e.spec.Name, e.Pid(), e.err)
				}
			}
		}
	}
}

// Ended are the children that have ended, in the order of their starting; those that Kill ended are among them.
func (g *Group) Ended() (all []Ended) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range slices.Concat(g.ranks...) {
		if c.HasEnded() {
			all = append(all, Ended{c, func(ctx context.Context) error { return g.Restart(ctx, c.spec.Name) }})
		}
	}
	return all
}
