package rpc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/device"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/exposure"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/postgres"
)

const (
	// appliedPoll is how often the table is asked while somebody waits, brokenPoll the pause after the exposures could not be told.
	appliedPoll = 10 * time.Millisecond
	brokenPoll  = 250 * time.Millisecond
	// answerMargin is left of the caller's deadline, so that they hear who is pending and not only that time is up.
	answerMargin = 200 * time.Millisecond
	// confirmTime is how long connected locks have to confirm a change before they are listed.
	confirmTime = time.Second
)

// WaitApplied implements GatewayService. As long as it cannot be said which locks are exposed, this gateway does not count as one that
// has applied the commit.
func (h *Handler) WaitApplied(ctx context.Context, req *gatewayv1.WaitAppliedRequest) (*gatewayv1.WaitAppliedResponse, error) {
	token := req.GetToken()
	if token.GetOrgId() != req.GetOrgId() || token.GetRegion() != req.GetRegion() {
		return nil, fmt.Errorf("%w: the token names another organization or region than the request", device.ErrInvalid)
	}
	timeout := req.GetTimeout().AsDuration()
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline)-answerMargin)
	}
	last := time.Now().Add(max(0, timeout))
	end := time.NewTimer(max(0, timeout))
	defer end.Stop()
	again := time.NewTimer(appliedPoll)
	defer again.Stop()
	for logged := false; ; {
		out, done, err := h.applied(ctx, token, last)
		if done || err != nil && !errors.Is(err, errUntold) {
			return out, err
		}
		if again.Reset(appliedPoll); err != nil {
			if !logged {
				h.Logger.WarnContext(ctx, "it cannot be said which locks are exposed", "error", err)
			}
			logged = true
			again.Reset(brokenPoll)
		}
		select {
		case <-again.C:
		case <-end.C:
			return out, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// applied is how far everybody is; done: nothing is to be waited for any more. errUntold: all have applied it, and out is without exposures.
func (h *Handler) applied(ctx context.Context, token *typev1.ConsistencyToken, last time.Time) (out *gatewayv1.WaitAppliedResponse, done bool, err error) {
	all, err := h.Store.Applied(ctx, token)
	if err != nil {
		return nil, false, err
	}
	if slices.ContainsFunc(all, func(s postgres.Status) bool { return !s.Applied }) {
		return statuses(all), false, nil
	}
	exposures, err := h.exposures(ctx, token, last, len(all))
	if err != nil {
		return h.pending(all), false, fmt.Errorf("%w: %w", errUntold, err)
	}
	out = statuses(all)
	for _, e := range exposures {
		out.Exposures = append(out.Exposures, exposureOf(e))
	}
	return out, true, nil
}

// exposures are those to what the token's commit ended, after a moment for connected locks to confirm.
func (h *Handler) exposures(ctx context.Context, token *typev1.ConsistencyToken, last time.Time, gateways int) ([]exposure.Exposure, error) {
	if !h.Exposures.Has(token) {
		return nil, errBehind
	}
	until := time.Now().Add(confirmTime)
	if last.Before(until) {
		until = last
	}
	limit := time.Until(last) + answerMargin/2 // also where there is no time to wait, there is a little to read
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	may := h.Sessions.Connected
	if gateways > 1 { // it may be connected to another one
		may = func(string) bool { return true }
	}
	return h.Exposures.After(ctx, token, until, may)
}

// errUntold: it cannot be said now which locks are exposed.
var errUntold = errors.New("exposures cannot be told")

// errBehind: the table says that all have the commit, and the copy here has not: it was loaded anew.
var errBehind = errors.New("the copy here does not have the commit yet")

// pending is the answer when all have applied the commit and this gateway cannot tell more.
func (h *Handler) pending(all []postgres.Status) *gatewayv1.WaitAppliedResponse {
	i := slices.IndexFunc(all, func(s postgres.Status) bool { return s.ID == h.ID })
	if i < 0 {
		all = append(all, postgres.Status{ID: h.ID, Region: h.Own.Name})
		i = len(all) - 1
	}
	all[i].Applied = false
	return statuses(all)
}

func statuses(all []postgres.Status) *gatewayv1.WaitAppliedResponse {
	out := new(gatewayv1.WaitAppliedResponse)
	for _, s := range all {
		out.Gateways = append(out.Gateways, &gatewayv1.GatewayStatus{
			GatewayId: string(s.ID), Region: string(s.Region), Version: s.Version, Applied: s.Applied,
		})
	}
	return out
}
