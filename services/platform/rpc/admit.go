package rpc

import (
	"context"
	"time"

	"github.com/failsafe-go/failsafe-go/bulkhead"

	"github.com/cardea-mesh/cardea/services/platform/fault"
)

// How long a call may wait for room, and when one that found none should come back.
const (
	admitWait  = 100 * time.Millisecond
	admitRetry = time.Second
)

// admission bounds the calls that are handled at once, and those that wait for it. What is over is refused at once.
type admission struct {
	handled bulkhead.Bulkhead[any]
	present bulkhead.Bulkhead[any] // handled or waiting
}

func newAdmission(inFlight int) admission {
	return admission{
		handled: bulkhead.NewBuilder[any](uint(inFlight)).WithMaxWaitTime(admitWait).Build(),
		present: bulkhead.New[any](uint(2 * inFlight)),
	}
}

// enter takes a place for a call; who got one must leave.
func (a admission) enter(ctx context.Context) error {
	if !a.present.TryAcquirePermit() {
		return full()
	}
	if err := a.handled.AcquirePermitWithMaxWait(ctx, admitWait); err != nil {
		a.present.ReleasePermit()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return full()
	}
	return nil
}

func (a admission) leave() {
	a.handled.ReleasePermit()
	a.present.ReleasePermit()
}

func full() error { return fault.Over(admitRetry, "the server has as many calls as it takes") }
