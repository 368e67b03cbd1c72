package rpc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/permissions/internal/watch"
	"github.com/cardea-mesh/cardea/services/platform/fault"
)

// spare is left of the caller's own deadline, so that there is an answer rather than none.
const spare = 200 * time.Millisecond

// Watch implements PermissionsService. It reads, and where there is nothing yet it waits and reads again: what wakes it
// does not have to be right.
func (h *Handler) Watch(ctx context.Context, req *permissionsv1.WatchRequest) (*permissionsv1.WatchResponse, error) {
	q, wait, err := h.watchQuery(req)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline)-spare)
	}
	for end := time.Now().Add(wait); ; {
		var page grants.WatchPage
		err := h.Store.Read(ctx, func(ctx context.Context, r grants.Reader) (err error) {
			page, err = h.Commands.Committed(ctx, r, q)
			return err
		})
		if err != nil {
			return nil, err
		}
		left := time.Until(end)
		if len(page.Events) > 0 || left <= 0 {
			return watched(page), nil
		}
		q.After = &page.Checkpoint
		if page.More {
			continue // nothing of these kinds among so many commits
		}
		moved, err := h.Bell.Wait(ctx, page.Checkpoint, left)
		switch {
		case errors.Is(err, watch.ErrTooMany):
			return nil, fault.Over(time.Second, "%s", err)
		case err != nil:
			return nil, err
		case !moved:
			return watched(page), nil
		}
	}
}

func (h *Handler) watchQuery(req *permissionsv1.WatchRequest) (grants.WatchQuery, time.Duration, error) {
	p := h.parse()
	q := grants.WatchQuery{
		Org: p.org(req.GetOrgId()), Home: p.region("region", req.GetRegion()), Kinds: req.GetKinds(), Limit: int(req.GetMaxEvents()),
	}
	if q.Limit == 0 {
		q.Limit = defaultPage
	}
	if req.GetCheckpoint() != nil {
		after := p.token("checkpoint", req.GetCheckpoint(), q.Org)
		switch {
		case after.Service != ownService:
			p.fail("checkpoint.service", fmt.Errorf("%w: not a checkpoint of %s", grants.ErrInvalid, ownService))
		case after.Region != q.Home:
			p.fail("checkpoint.region", fmt.Errorf("%w: not the region of the request", grants.ErrInvalid))
		}
		q.After = &after
	}
	wait := defaultWait
	if req.GetWait() != nil {
		wait = req.GetWait().AsDuration()
	}
	return q, wait, p.err
}

// ownService is whose commits are watched.
const ownService = "permissions"

func watched(page grants.WatchPage) *permissionsv1.WatchResponse {
	out := &permissionsv1.WatchResponse{Checkpoint: wire(page.Checkpoint), More: page.More}
	for _, e := range page.Events {
		out.Events = append(out.Events, &typev1.Event{
			Id: string(e.ID), SchemaVersion: e.SchemaVersion, Region: string(page.Checkpoint.Region), OrgId: string(page.Checkpoint.Org),
			Service: ownService, Stream: string(e.Stream), Version: e.Version, OrgVersion: e.OrgVersion, Kind: e.Kind, Payload: e.Payload,
			Actor: e.Actor, Cause: e.Cause, Traceparent: e.Traceparent,
			OccurredAt: timestamppb.New(e.OccurredAt), RecordedAt: timestamppb.New(e.RecordedAt),
		})
	}
	return out
}
