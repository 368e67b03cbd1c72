package rpc

import (
	"context"
	"fmt"

	auditv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1"
	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/audit/internal/ledger"
	"github.com/cardea-mesh/cardea/services/audit/internal/postgres"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/proto"
)

// lockEvents is QueryEvents for what one lock reported, in the lock's order.
func (h *Handler) lockEvents(ctx context.Context, id ledger.ID, f postgres.Filter, req *auditv1.QueryEventsRequest) (*auditv1.QueryEventsResponse, error) {
	device, err := h.regions.Parse(req.DeviceId, region.Device)
	if err != nil {
		return nil, fmt.Errorf("device_id: %w", err)
	}
	var before ledger.Place // from the end
	if err := parseToken(req, &before.Epoch, &before.Sequence); err != nil {
		return nil, err
	}
	found, next, err := h.store.QueryLock(ctx, id, device, f, before, page(req.PageSize))
	if err != nil {
		return nil, err
	}
	res := new(auditv1.QueryEventsResponse)
	for i, e := range found {
		event, err := ledgerEvent(id, e.Found)
		if err != nil {
			return nil, err
		}
		event.Lock = &auditv1.LockPlace{BootEpoch: uint64(e.Lock.Epoch), Sequence: uint64(e.Lock.Sequence)}
		if f == (postgres.Filter{}) {
			older := next
			if i+1 < len(found) {
				older = &found[i+1].Lock
			}
			event.Lock.MissingBefore = proto.Uint64(missing(event.Event, e.Lock, older))
		}
		res.Events = append(res.Events, event)
	}
	if next != nil {
		last := found[len(found)-1].Lock
		res.NextPageToken = newToken(req, last.Epoch, last.Sequence)
	}
	return res, nil
}

// missing is how many events of a boot there are between one and the older one next to it, which the ledger has; nil: it has none. Those
// that a gap event accounts for itself, as the last of them, are not counted.
func missing(event *typev1.Event, at ledger.Place, older *ledger.Place) uint64 {
	had := int64(0)
	if older != nil && older.Epoch == at.Epoch {
		had = older.Sequence
	}
	accounted := int64(1)
	payload := new(gatewayv1.LockEvent)
	if err := proto.Unmarshal(event.GetPayload(), payload); err == nil && payload.GetLost() > 0 {
		accounted = int64(min(payload.GetLost(), uint64(at.Sequence)))
	}
	return uint64(max(0, at.Sequence-accounted-had))
}
