package rpc

import (
	"context"
	"fmt"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// AccessAt implements PermissionsService.
func (h *Handler) AccessAt(ctx context.Context, req *permissionsv1.AccessAtRequest) (*permissionsv1.AccessAtResponse, error) {
	q, cursor, err := h.historyQuery(req)
	if err != nil {
		return nil, err
	}
	var page grants.HistoryPage
	err = h.Store.Read(ctx, func(ctx context.Context, r grants.Reader) (err error) {
		page, err = h.Commands.History(ctx, r, q, h.Now())
		return err
	})
	if err != nil {
		return nil, err
	}
	if cursor.Head == 0 {
		cursor.Head = page.Head.Version
	}
	head := page.Head.Token
	head.Version = cursor.Head // that of the first page: all pages are of one state
	out := &permissionsv1.AccessAtResponse{Head: wire(head), StandsOpen: page.StandsOpen}
	for _, a := range page.Access {
		out.Access = append(out.Access, &permissionsv1.Access{
			PersonId: string(a.Person), DoorId: string(a.Door), Decision: decision(a.Decision, head),
		})
	}
	if page.Next != "" {
		cursor.After, cursor.KnownAt = page.Next, page.KnownAt
		out.NextPageToken = cursor.text()
	}
	return out, nil
}

func (h *Handler) historyQuery(req *permissionsv1.AccessAtRequest) (grants.HistoryQuery, cursor, error) {
	p := h.parse()
	org := p.org(req.GetOrgId())
	q := grants.HistoryQuery{
		Org: org, AtLeast: p.tokens("at_least", req.GetAtLeast(), org),
		Door: p.optional("door_id", req.GetDoorId(), region.Door), Person: p.optional("person_id", req.GetPersonId(), region.Person),
		At: p.time("at", req.GetAt()), KnownAt: p.time("known_at", req.GetKnownAt()), Size: size(req),
	}
	switch {
	case (req.GetDoorId() == "") == (req.GetPersonId() == ""):
		p.fail("door_id, person_id", fmt.Errorf("%w: exactly one of the two must be set", grants.ErrInvalid))
	case req.GetDoorId() != "" && req.GetRegion() != "":
		p.fail("region", fmt.Errorf("%w: goes with person_id only; a door has its own", grants.ErrInvalid))
	case req.GetKnownAt() != nil && len(req.GetAtLeast()) > 0:
		p.fail("at_least", fmt.Errorf("%w: goes without known_at only; what was known then does not become fresher", grants.ErrInvalid))
	}
	switch {
	case req.GetDoorId() != "":
		q.Home = p.home(q.Door)
	default:
		q.Home = p.region("region", req.GetRegion())
	}
	c, err := readCursor(req)
	if err != nil {
		p.fail("page_token", err)
	}
	q.After = c.After
	if req.GetPageToken() != "" {
		q.KnownAt = c.KnownAt
	}
	return q, c, p.err
}
