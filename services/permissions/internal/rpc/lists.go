package rpc

import (
	"context"
	"errors"
	"fmt"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/permissions/internal/projection"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// maxExamined bounds the work for one page: where schedules exclude nearly everybody a page is cut, with its cursor.
const maxExamined = 10_000

// listing is one page of ListDoors or ListPeople, as it is filled.
type listing struct {
	question grants.Question // the one of Door and Person that is listed is set for each candidate
	size     int
	home     region.Name // of the doors
	after    string

	listed   []entry
	examined int
	next     string // where the next page begins; empty: this is the last
	revision grants.Token
	stands   bool // ListPeople: the door stands open
}

type entry struct {
	id       region.ID
	decision policy.Decision
}

// take decides about the next candidate; false: the page is full, and there is more.
func (l *listing) take(facts policy.Facts, id region.ID, person bool) bool {
	if len(l.listed) == l.size || l.examined == maxExamined {
		l.next = l.after
		return false
	}
	l.after = string(id)
	l.examined++
	q := l.question
	if person {
		q.Person = id
	} else {
		q.Door = id
	}
	if d := q.Decide(facts, q.At); d.Reason == policy.ReasonGrant {
		l.listed = append(l.listed, entry{id, d})
	}
	return true
}

// ListDoors implements PermissionsService.
func (h *Handler) ListDoors(ctx context.Context, req *permissionsv1.ListDoorsRequest) (*permissionsv1.ListDoorsResponse, error) {
	p := h.parse()
	l := listing{size: int(req.GetPageSize()), home: p.region("region", req.GetRegion())}
	l.question = grants.Question{
		Org: p.org(req.GetOrgId()), Person: p.id("person_id", req.GetPersonId(), region.Person), At: p.time("at", req.GetAt()),
	}
	l.question.AtLeast = p.atLeast(req.GetAtLeast(), l.question.Org)
	page := p.listed(req, &l)
	if p.err != nil {
		return nil, p.err
	}
	view, err := h.view(ctx, &l.question)
	switch {
	case errors.Is(err, errAskTheRows):
		err = h.listRows(ctx, &l)
	case err == nil:
		err = h.listDoors(ctx, view, &l)
	}
	if err != nil {
		return nil, err
	}
	out := &permissionsv1.ListDoorsResponse{Revision: wire(l.revision), NextPageToken: page.following(l.next)}
	for _, e := range l.listed {
		out.Doors = append(out.Doors, &permissionsv1.ListedDoor{DoorId: string(e.id), Decision: decisionAt(e.decision, out.Revision)})
	}
	return out, nil
}

// ListPeople implements PermissionsService.
func (h *Handler) ListPeople(ctx context.Context, req *permissionsv1.ListPeopleRequest) (*permissionsv1.ListPeopleResponse, error) {
	p := h.parse()
	l := listing{size: int(req.GetPageSize())}
	l.question = grants.Question{
		Org: p.org(req.GetOrgId()), Door: p.id("door_id", req.GetDoorId(), region.Door), At: p.time("at", req.GetAt()),
	}
	l.home = p.home(l.question.Door)
	l.question.AtLeast = p.atLeast(req.GetAtLeast(), l.question.Org)
	page := p.listed(req, &l)
	if p.err != nil {
		return nil, p.err
	}
	view, err := h.view(ctx, &l.question)
	switch {
	case errors.Is(err, errAskTheRows):
		err = h.listRows(ctx, &l)
	case err == nil:
		err = h.listPeople(ctx, view, &l)
	}
	if err != nil {
		return nil, err
	}
	out := &permissionsv1.ListPeopleResponse{Revision: wire(l.revision), NextPageToken: page.following(l.next), StandsOpen: l.stands}
	for _, e := range l.listed {
		out.People = append(out.People, &permissionsv1.ListedPerson{PersonId: string(e.id), Decision: decisionAt(e.decision, out.Revision)})
	}
	return out, nil
}

// listed reads the page fields of a request into a list.
func (p *parser) listed(req pageRequest, l *listing) cursor {
	if l.size == 0 {
		l.size = defaultPage
	}
	c, err := readCursor(req)
	if err != nil {
		p.fail("page_token", err)
	}
	l.after = c.After
	return c
}

// following is the cursor of the next page; empty: there is none.
func (c cursor) following(next string) string {
	if next == "" {
		return ""
	}
	c.After = next
	return c.text()
}

func (h *Handler) listDoors(ctx context.Context, view projection.View, l *listing) error {
	home, err := h.Commands.Regions.Lookup(l.home)
	if err != nil {
		return err
	}
	l.revision = view.Revision(l.home)
	facts := view.Facts()
	for id := range view.Doors(l.question.Person, home.Code, l.after) {
		if !l.take(facts, region.ID(id), false) {
			break
		}
	}
	return context.Cause(ctx)
}

func (h *Handler) listPeople(ctx context.Context, view projection.View, l *listing) error {
	if !view.HasDoor(l.question.Door) {
		return grants.NotFound(l.question.Door)
	}
	l.revision = view.Revision(l.home)
	facts := view.Facts()
	_, l.stands = policy.StandsOpen(facts, policy.DoorID(l.question.Door), policy.State{}, l.question.At)
	for id := range view.People(l.question.Door, l.after) {
		if !l.take(facts, region.ID(id), true) {
			break
		}
	}
	return context.Cause(ctx)
}

// listRows is a page from the database: of the past, or of an organization that is too large for memory.
func (h *Handler) listRows(ctx context.Context, l *listing) error {
	q := grants.HistoryQuery{
		Org: l.question.Org, Door: l.question.Door, Person: l.question.Person, Home: l.home, At: l.question.At, After: l.after, Size: l.size,
	}
	return h.Store.Read(ctx, func(ctx context.Context, r grants.Reader) error {
		if err := r.Fresh(ctx, l.question.AtLeast); err != nil {
			return err
		}
		head, latest, err := r.Heads(ctx, l.home, q.Org)
		if err != nil {
			return err
		}
		if q.At.IsZero() {
			q.At = grants.Now(h.Now(), latest)
		}
		page, err := h.Commands.History(ctx, r, q, h.Now())
		if err != nil {
			return err
		}
		l.revision, l.next, l.listed = head.Token, page.Next, nil
		for _, a := range page.Access {
			if a.Decision.Reason != policy.ReasonGrant {
				continue
			}
			id := a.Person
			if q.Person != "" {
				id = a.Door
			}
			l.listed = append(l.listed, entry{id, a.Decision})
		}
		return h.rowsStandOpen(ctx, r, q, l)
	})
}

func (h *Handler) rowsStandOpen(ctx context.Context, r grants.Reader, q grants.HistoryQuery, l *listing) error {
	if q.Door == "" {
		return nil
	}
	facts, err := r.Facts(ctx, grants.FactsQuery{
		Org: q.Org, Home: l.home, Doors: []region.ID{q.Door}, Moment: grants.Moment{At: q.At},
	})
	if err != nil {
		return fmt.Errorf("whether %s stands open: %w", q.Door, err)
	}
	_, l.stands = policy.StandsOpen(facts, policy.DoorID(q.Door), policy.State{}, q.At)
	return nil
}
