package rpc

import (
	"context"
	"time"

	"connectrpc.com/connect"
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

func (a admission) wrap(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		if !a.present.TryAcquirePermit() {
			return nil, fault.Over(admitRetry, "the server has as many calls as it takes")
		}
		defer a.present.ReleasePermit()
		if err := a.handled.AcquirePermitWithMaxWait(ctx, admitWait); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, fault.Over(admitRetry, "the server has as many calls as it takes")
		}
		defer a.handled.ReleasePermit()
		return next(ctx, req)
	}
}
