package rpc

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/journal"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/lockevent"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/session"
	platformrpc "github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
)

// recordTimeout bounds how long an order waits for the disk.
const recordTimeout = 2 * time.Second

// Orders is the ledger's end of what people order. JournalOrders is one.
type Orders interface {
	Ordered(ctx context.Context, o lockevent.Ordered) error
}

// JournalOrders puts orders into the gateway's journal, from where they reach the ledger as what locks report does.
type JournalOrders struct {
	Maker   *lockevent.Maker
	Journal *journal.Journal
}

// Ordered implements Orders: it returns nil when the order is on disk.
func (j JournalOrders) Ordered(ctx context.Context, o lockevent.Ordered) error {
	entry, err := j.Maker.Order(o)
	if err != nil {
		return err
	}
	return j.Journal.Append(ctx, entry)
}

// record writes down who orders what, before it is done. On a full disk doors still open, also by order: then the log says who.
func (h *Handler) record(ctx context.Context, d access.Device, o session.Order) {
	if o.Command.GetFirmware().GetOffset() > 0 {
		return // the first piece stands for all
	}
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	actor := platformrpc.CallerFrom(ctx).ID
	err := h.Orders.Ordered(ctx, lockevent.Ordered{
		Device: d, CommandID: o.CommandID, Actor: actor, Command: o.Command, NotAfter: o.NotAfter, At: h.Now(), Traceparent: telemetry.Traceparent(ctx),
	})
	if err != nil {
		h.Logger.ErrorContext(ctx, "an order is not in the ledger", "actor", actor, "command", o.CommandID, "device", d.ID, "error", err)
	}
}
