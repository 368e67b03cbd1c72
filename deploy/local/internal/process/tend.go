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

// Tend says on out when a child has ended although nobody stopped the group, and at each value of again starts those anew that have
// ended. It returns when ctx ends. Children that are killed and restarted by Kill and Restart meanwhile are said like others.
func (g *Group) Tend(ctx context.Context, out io.Writer, again <-chan struct{}) {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	var said []*Child
	for {
		select {
		case <-ctx.Done():
			return
		case <-again:
			for _, c := range g.ended() {
				if err := g.Restart(ctx, c.spec.Name); err != nil {
					fmt.Fprintf(out, "%s does not start: %v\n", c.spec.Name, err)
					continue
				}
				fmt.Fprintf(out, "%s runs again\n", c.spec.Name)
			}
		case <-tick.C:
			for _, c := range g.ended() {
				if !slices.Contains(said, c) {
					said = append(said, c)
					fmt.Fprintf(out, "%s (pid %d) ended: %v; press Enter to start it again\n", c.spec.Name, c.Pid(), c.err)
				}
			}
		}
	}
}

// ended are the children that have ended, in the order of their starting.
func (g *Group) ended() (all []*Child) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range slices.Concat(g.ranks...) {
		select {
		case <-c.exited:
			all = append(all, c)
		default:
		}
	}
	return all
}
