package enforcement

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Standings knows how far services are with an organization, and whom their commits have called.
type Standings interface {
	// Standing is that of upTo's service, region and organization: its head, and the crossings of the commits up to
	// upTo's version. Version 0 asks for the head only.
	Standing(ctx context.Context, upTo grants.Token) (Standing, error)
	// Confirm records that a crossing of the commit is in force over there.
	Confirm(ctx context.Context, commit grants.Token, crossing outbox.Crossing) error
}

// Standing is how far a service is with an organization in a region.
type Standing struct {
	Head      int64 // version of the last commit; 0: none
	Crossings []outbox.Crossing
}

const (
	// atLeast is how long other services may take to answer even when the wait itself is shorter.
	atLeast = time.Second
	// maxPause is the longest pause before somebody across a border is asked again.
	maxPause = time.Second
)

// crossings waits until what the commit, and those before it, sent to other regions is in force there, and returns the
// regions where it is not yet known to be, sorted, and the locks there that are exposed. An error means that our own rows could not be read.
func (w *Waiter) crossings(ctx context.Context, commit grants.Token, end time.Time) ([]region.Name, []Exposure, error) {
	asking, cancel := context.WithDeadline(ctx, askUntil(ctx, end))
	defer cancel()
	if commit.Service == ownService {
		standing, err := w.Own.Standing(ctx, commit)
		if err != nil {
			return nil, nil, err
		}
		pending, exposures := w.waitAll(asking, w.Own, commit, standing.Crossings, end)
		return pending, exposures, nil
	}
	for {
		standing, err := w.Others.Standing(asking, commit)
		if err == nil {
			pending, exposures := w.waitAll(asking, w.Others, commit, standing.Crossings, end)
			return pending, exposures, nil
		}
		if !pause(asking, end, poll) {
			w.Logger.WarnContext(ctx, "nobody could say whom a commit has called", "service", commit.Service, "region", commit.Region, "error", err.Error())
			return []region.Name{commit.Region}, nil, nil
		}
	}
}

// waitAll waits for all crossings at once and returns the targets of those that are pending, and the exposures of the others.
func (w *Waiter) waitAll(
	ctx context.Context, book Standings, commit grants.Token, all []outbox.Crossing, end time.Time,
) (pending []region.Name, exposures []Exposure) {
	done := make([]chan crossed, len(all))
	for i, c := range all {
		done[i] = make(chan crossed, 1)
		if c.Confirmed {
			done[i] <- crossed{inForce: true}
			continue
		}
		go func() { done[i] <- w.cross(ctx, book, commit, c, end) }()
	}
	for i, c := range all {
		one := <-done[i]
		if !one.inForce {
			pending = append(pending, c.Target)
		}
		exposures = append(exposures, one.exposures...)
	}
	return pending, exposures
}

// crossed is what is known of one crossing.
type crossed struct {
	inForce   bool
	exposures []Exposure
}

// cross waits until one crossing is in force, and confirms it unless locks over there are exposed: who asks again must hear of them.
func (w *Waiter) cross(ctx context.Context, book Standings, commit grants.Token, c outbox.Crossing, end time.Time) crossed {
	over := overThere{Waiter: w, head: grants.Token{Service: commit.Service, Region: c.Target, Org: commit.Org}}
	for next := poll; ; {
		if c.Sent {
			inForce, exposures, err := over.inForce(ctx, end)
			if inForce {
				if len(exposures) == 0 {
					w.confirm(ctx, book, commit, c)
				}
				return crossed{true, exposures}
			}
			if !pause(ctx, end, next) {
				w.Logger.InfoContext(ctx, "what another region was told is not known to be in force there", "region", c.Target, "error", err)
				return crossed{}
			}
			next = min(2*next, maxPause)
			continue
		}
		if !pause(ctx, end, poll) {
			return crossed{}
		}
		if c = again(ctx, book, commit, c); c.Confirmed {
			return crossed{inForce: true}
		}
	}
}

// again reads how far a crossing is; as before when that cannot be read.
func again(ctx context.Context, book Standings, commit grants.Token, before outbox.Crossing) outbox.Crossing {
	standing, err := book.Standing(ctx, commit)
	if err != nil {
		return before
	}
	for _, now := range standing.Crossings {
		if now.Target == before.Target {
			return now
		}
	}
	return before
}

// confirm saves the next question the way across the border. Without it the answer is as true.
func (w *Waiter) confirm(ctx context.Context, book Standings, commit grants.Token, c outbox.Crossing) {
	if err := book.Confirm(ctx, commit, c); err != nil {
		w.Logger.WarnContext(ctx, "a crossing could not be confirmed", "region", c.Target, "error", err.Error())
	}
}

// overThere is the other side of a crossing that was sent.
type overThere struct {
	*Waiter
	head  grants.Token // of the service over there, once it was asked
	asked bool
}

// inForce says whether all gateways over there have applied what the service over there has taken, and which locks there are exposed. Its head is asked for
// after the calls were taken, so their receipts are commits up to it, and so is all that these publish.
func (o *overThere) inForce(ctx context.Context, end time.Time) (bool, []Exposure, error) {
	if !o.asked {
		standing, err := o.Others.Standing(ctx, o.head)
		if err != nil {
			return false, nil, err
		}
		o.head.Version, o.asked = standing.Head, true
	}
	if o.head.Version == 0 { // it took no notice of what it was told: there is nothing to apply
		return true, nil, nil
	}
	all, exposures, err := o.Gateways.WaitApplied(ctx, o.head, max(0, time.Until(end)))
	if err != nil {
		return false, nil, err
	}
	for _, g := range all {
		if !g.Applied {
			return false, nil, nil
		}
	}
	return true, exposures, nil
}

// askUntil is when the questions to other services end: with the wait, or a little later where that is very short; in time
// for our own answer.
func askUntil(ctx context.Context, end time.Time) time.Time {
	if least := time.Now().Add(atLeast); end.Before(least) {
		end = least
	}
	if deadline, ok := ctx.Deadline(); ok && deadline.Add(-spare).Before(end) {
		return deadline.Add(-spare)
	}
	return end
}
