// Package rpc is the AuditService: it turns requests into reads of ledgers and back. The server stack has checked before it runs
// who calls, what they may do and that the organization is theirs, and has brought the call to a region of the home's jurisdiction.
package rpc

import (
	"context"
	"errors"
	"fmt"
	"math"

	"connectrpc.com/connect"
	auditv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1"
	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/audit/internal/ledger"
	"github.com/cardea-mesh/cardea/services/audit/internal/postgres"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Errors of this service's own.
var (
	ErrPageToken = errors.New("page_token: not one that this query returned")
	ErrTimes     = errors.New("from is not before to")
	ErrTime      = errors.New("not a valid time")
)

// Errors is how they leave.
//
//nolint:gochecknoglobals // a constant in all but the language's sense
var Errors = fault.Table{
	{Is: ErrPageToken, Code: connect.CodeInvalidArgument, Reason: faultv1.Reason_REASON_INVALID_FIELD},
	{Is: ErrTime, Code: connect.CodeInvalidArgument, Reason: faultv1.Reason_REASON_INVALID_FIELD},
	{Is: ErrTimes, Code: connect.CodeInvalidArgument, Reason: faultv1.Reason_REASON_CLOCK_NONSENSE},
}

// defaultPage is the page size for 0.
const defaultPage = 100

// Store is where the ledgers are.
type Store interface {
	Head(ctx context.Context, id ledger.ID) (ledger.Head, error)
	Entries(ctx context.Context, id ledger.ID, from int64, limit int) ([]ledger.Entry, ledger.Head, error)
	Query(ctx context.Context, id ledger.ID, f postgres.Filter, before int64, limit int) (found []postgres.Found, more bool, err error)
	QueryLock(ctx context.Context, id ledger.ID, device region.ID, f postgres.Filter, before ledger.Place, limit int) (found []postgres.FoundOfLock, next *ledger.Place, err error)
}

// Handler serves the AuditService. It is safe for concurrent use.
type Handler struct {
	store   Store
	regions *region.Map
}

// NewHandler makes one.
func NewHandler(store Store, regions *region.Map) *Handler {
	return &Handler{store: store, regions: regions}
}

// QueryEvents returns events by door, person, kind and time, newest first; those of a lock in its own order.
func (h *Handler) QueryEvents(ctx context.Context, req *auditv1.QueryEventsRequest) (*auditv1.QueryEventsResponse, error) {
	id, err := h.ledger(req.OrgId, req.Region)
	if err != nil {
		return nil, err
	}
	f, err := h.filter(req)
	if err != nil {
		return nil, err
	}
	if req.DeviceId != "" {
		return h.lockEvents(ctx, id, f, req)
	}
	before := int64(math.MaxInt64)
	if err := parseToken(req, &before); err != nil {
		return nil, err
	}
	found, more, err := h.store.Query(ctx, id, f, before, page(req.PageSize))
	if err != nil {
		return nil, err
	}
	res := new(auditv1.QueryEventsResponse)
	for _, e := range found {
		event, err := ledgerEvent(id, e)
		if err != nil {
			return nil, err
		}
		res.Events = append(res.Events, event)
	}
	if more {
		res.NextPageToken = newToken(req, found[len(found)-1].Position)
	}
	return res, nil
}

func ledgerEvent(id ledger.ID, e postgres.Found) (*auditv1.LedgerEvent, error) {
	event := new(typev1.Event)
	if err := proto.Unmarshal(e.Body, event); err != nil {
		return nil, fmt.Errorf("body at position %d of %s in %s: %w", e.Position, id.Org, id.Region, err)
	}
	event.Sealed, event.KeyId = nil, ""
	return &auditv1.LedgerEvent{Position: e.Position, Event: event}, nil
}

// ListEntries returns a piece of a ledger, oldest first, as a verifier needs it.
func (h *Handler) ListEntries(ctx context.Context, req *auditv1.ListEntriesRequest) (*auditv1.ListEntriesResponse, error) {
	id, err := h.ledger(req.OrgId, req.Region)
	if err != nil {
		return nil, err
	}
	entries, head, err := h.store.Entries(ctx, id, req.FromPosition, page(req.PageSize))
	if err != nil {
		return nil, err
	}
	res := &auditv1.ListEntriesResponse{Head: headOf(id, head)}
	for _, e := range entries {
		res.Entries = append(res.Entries, entryOf(e))
	}
	return res, nil
}

// GetHead returns a ledger's size and last hash; an organization of which nothing is known has an empty one.
func (h *Handler) GetHead(ctx context.Context, req *auditv1.GetHeadRequest) (*auditv1.Head, error) {
	id, err := h.ledger(req.OrgId, req.Region)
	if err != nil {
		return nil, err
	}
	head, err := h.store.Head(ctx, id)
	if err != nil {
		return nil, err
	}
	return headOf(id, head), nil
}

func (h *Handler) ledger(org, in string) (ledger.ID, error) {
	id, err := h.regions.Parse(org, region.Organization)
	if err != nil {
		return ledger.ID{}, fmt.Errorf("org_id: %w", err)
	}
	r, err := h.regions.Lookup(region.Name(in))
	if err != nil {
		return ledger.ID{}, fmt.Errorf("region: %w", err)
	}
	return ledger.ID{Org: id, Region: r.Name}, nil
}

func (h *Handler) filter(req *auditv1.QueryEventsRequest) (f postgres.Filter, err error) {
	f.Kind = req.Kind
	if req.DoorId != "" {
		if f.Door, err = h.regions.Parse(req.DoorId, region.Door); err != nil {
			return f, fmt.Errorf("door_id: %w", err)
		}
	}
	if req.PersonId != "" {
		if f.Person, err = h.regions.Parse(req.PersonId, region.Person); err != nil {
			return f, fmt.Errorf("person_id: %w", err)
		}
	}
	for _, t := range []*timestamppb.Timestamp{req.From, req.To} {
		if t != nil && !t.IsValid() {
			return f, fmt.Errorf("from and to: %w", ErrTime)
		}
	}
	if req.From != nil {
		f.From = req.From.AsTime()
	}
	if req.To != nil {
		f.To = req.To.AsTime()
	}
	if req.From != nil && req.To != nil && !f.From.Before(f.To) {
		return f, ErrTimes
	}
	return f, nil
}

func page(size int32) int {
	if size == 0 {
		return defaultPage
	}
	return int(size)
}

func headOf(id ledger.ID, h ledger.Head) *auditv1.Head {
	return &auditv1.Head{OrgId: string(id.Org), Region: string(id.Region), Size: h.Size, Hash: h.Hash[:]}
}

func entryOf(e ledger.Entry) *auditv1.Entry {
	return &auditv1.Entry{
		Position: e.Position, EventId: e.EventID, BodySha256: e.BodySHA256[:], PreviousHash: e.Previous[:], Hash: e.Hash[:],
		AppendedAt: timestamppb.New(e.AppendedAt), Body: e.Body,
	}
}
