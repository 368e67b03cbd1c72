package enforcement

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Gateways knows how far every registered gateway of a jurisdiction is.
type Gateways interface {
	// WaitApplied returns when all have applied the commit, or after the timeout, with how far each of them is; and when all have, with
	// the locks that may still decide alone from what was before.
	WaitApplied(ctx context.Context, commit grants.Token, timeout time.Duration) ([]Gateway, []Exposure, error)
}

// Exposure is a lock that may decide alone, while it is cut off, from what was before the commit.
type Exposure struct {
	Door, Device region.ID
	Until        time.Time // the zero time: when the lock is back
}

// Gateway is how far one gateway is.
type Gateway struct {
	ID      region.ID
	Region  region.Name
	Version int64 // that it applied of the commit's service, region and organization
	Applied bool  // the commit, or it may not decide from its copy any more
}

// ownService is whose commits are in our own database.
const ownService = "permissions"

// Report is the answer.
type Report struct {
	// Enforced is true only when nothing is pending and everybody could be asked.
	Enforced         bool
	Applied, Pending []Gateway // of the commit's jurisdiction
	// PendingRegions were called and are not known to have it in force; the commit's own when it is not known who was called.
	PendingRegions []region.Name
	// Exposures are locks of all jurisdictions that could be asked, in no order. The commit counts as enforced with them: whoever let a
	// door's locks decide alone has accepted it.
	Exposures []Exposure
}

// Waiter waits for enforcement. All fields are required.
type Waiter struct {
	Gateways Gateways
	Own      Standings // permissions' own, in the regions of this jurisdiction
	Others   Standings // of other services, and of permissions across borders
	Logger   *slog.Logger
}

const (
	// poll is how often the outbox is asked, and how soon a service that did not answer is asked again.
	poll = 50 * time.Millisecond
	// spare is left of the caller's own deadline, so that there is an answer rather than none.
	spare = 200 * time.Millisecond
)

// Wait returns when the commit is enforced, or when the time is up, with what is pending. An error means that this
// service could not read its own rows.
func (w *Waiter) Wait(ctx context.Context, commit grants.Token, timeout time.Duration) (Report, error) {
	if deadline, ok := ctx.Deadline(); ok {
		timeout = max(0, min(timeout, time.Until(deadline)-spare))
	}
	end := time.Now().Add(timeout)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var pending []region.Name
	var abroad []Exposure
	var err error
	var elsewhere sync.WaitGroup
	elsewhere.Go(func() {
		if pending, abroad, err = w.crossings(ctx, commit, end); err != nil {
			cancel()
		}
	})
	report, asked := w.gateways(ctx, commit, end)
	elsewhere.Wait()
	if err != nil {
		return Report{}, err
	}
	report.PendingRegions, report.Exposures = pending, append(report.Exposures, abroad...)
	report.Enforced = asked && len(report.Pending) == 0 && len(pending) == 0
	return report, nil
}

// gateways asks until somebody answers or the time is up; asked is false when nobody did.
func (w *Waiter) gateways(ctx context.Context, commit grants.Token, end time.Time) (report Report, asked bool) {
	for {
		all, exposures, err := w.Gateways.WaitApplied(ctx, commit, max(0, time.Until(end)))
		if err == nil {
			report.Exposures = exposures
			for _, g := range all {
				if g.Applied {
					report.Applied = append(report.Applied, g)
				} else {
					report.Pending = append(report.Pending, g)
				}
			}
			return report, true
		}
		if !pause(ctx, end, poll) {
			w.Logger.WarnContext(ctx, "no gateway service could be asked what is enforced", "error", err.Error())
			return report, false
		}
	}
}

// pause waits for a moment; false when the time is up.
func pause(ctx context.Context, end time.Time, moment time.Duration) bool {
	left := time.Until(end)
	if left <= 0 || ctx.Err() != nil {
		return false
	}
	t := time.NewTimer(min(moment, left))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
