package grants

import (
	"context"
	"fmt"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// HistoryQuery asks who could open Door, or which doors of Home Person could open: exactly one of the two is set.
type HistoryQuery struct {
	Org          region.ID
	Door, Person region.ID
	Home         region.Name // the door's, or with Person the region asked about
	At           time.Time
	KnownAt      time.Time // zero: the latest that is known; pages after the first repeat what the first answered
	AtLeast      []Token
	After        string // the last id of the previous page
	Size         int    // of the page
}

// HistoryPage is a part of the answer, ascending.
type HistoryPage struct {
	Access []Access
	// StandsOpen: Door was open for everybody. Access has only those whom a grant admitted.
	StandsOpen bool
	KnownAt    time.Time // at which everything was known
	// Next is where the next page begins, empty after the last. A page may be short, or empty, and have a next one.
	Next string
	Head Head
}

// Access is one pair that could open.
type Access struct {
	Person, Door region.ID
	Decision     policy.Decision
}

// maxExamined bounds the work for one page: where schedules exclude nearly everybody a page is cut, with its cursor.
const maxExamined = 10_000

// maxBatch bounds what is loaded at once. Nearly all whom a grant that holds names could open, so that a page's worth is
// asked for first; where few could (a lockdown, shares that ended) it is four times as many each time.
const maxBatch = 2_000

// History answers from the rows that were known at one moment about another. It reads the head first: what is committed
// later is not in the answer. now is the clock, against which a KnownAt in the future is refused.
func (c Commands) History(ctx context.Context, r Reader, q HistoryQuery, now time.Time) (HistoryPage, error) {
	var page HistoryPage
	if err := r.Fresh(ctx, q.AtLeast); err != nil {
		return HistoryPage{}, err
	}
	head, latest, err := r.Heads(ctx, q.Home, q.Org)
	if err != nil {
		return HistoryPage{}, err
	}
	page.Head = head
	if q.KnownAt.After(later(now, latest)) {
		return HistoryPage{}, fmt.Errorf("%w: known_at %s is in the future", ErrClockNonsense, text(q.KnownAt))
	}
	if q.KnownAt.IsZero() {
		// Not the clock: commits that are being made now may bear an earlier moment, and would turn up on later pages.
		q.KnownAt = latest
	}
	page.KnownAt = q.KnownAt
	if q.Door != "" {
		// One that is deleted has its past, and one that was not known at that moment had nobody.
		ever, err := r.DoorEver(ctx, q.Org, q.Door)
		if err != nil {
			return HistoryPage{}, err
		}
		if !ever {
			return HistoryPage{}, NotFound(q.Door)
		}
	}
	for examined, batch := 0, q.Size; len(page.Access) < q.Size && examined < maxExamined; batch = min(4*batch, maxBatch) {
		n, err := c.extend(ctx, r, &q, &page, batch)
		if err != nil {
			return HistoryPage{}, err
		}
		if examined += n; page.Next == "" {
			break
		}
	}
	return page, nil
}

// extend decides about up to batch candidates and adds those who could, until the page is full; n is how many it looked at.
func (c Commands) extend(ctx context.Context, r Reader, q *HistoryQuery, page *HistoryPage, batch int) (n int, err error) {
	moment := Moment{At: q.At, KnownAt: q.KnownAt}
	candidates, err := c.candidates(ctx, r, q, moment, batch+1) // one more tells whether there are others
	if err != nil {
		return 0, err
	}
	more := len(candidates) > batch
	if more {
		candidates = candidates[:batch]
	}
	page.Next = ""
	if len(candidates) == 0 && q.Person != "" {
		return 0, nil
	}
	fq := FactsQuery{Org: q.Org, Home: q.Home, Doors: []region.ID{q.Door}, People: candidates, Moment: moment}
	if q.Person != "" {
		fq.Doors, fq.People = candidates, []region.ID{q.Person}
	}
	facts, err := r.Facts(ctx, fq)
	if err != nil {
		return 0, err
	}
	page.StandsOpen = q.Door != "" && standsOpen(facts, q.Door, q.At)
	for i, id := range candidates {
		a := Access{Person: id, Door: q.Door}
		if q.Person != "" {
			a = Access{Person: q.Person, Door: id}
		}
		if a.Decision = (Question{Door: a.Door, Person: a.Person}).Decide(facts, q.At); a.Decision.Reason == policy.ReasonGrant {
			page.Access = append(page.Access, a)
		}
		last := i == len(candidates)-1
		if full := len(page.Access) == q.Size; last && more || full && !last {
			page.Next, q.After = string(id), string(id)
			return i + 1, nil
		}
	}
	return len(candidates), nil
}

func (c Commands) candidates(ctx context.Context, r Reader, q *HistoryQuery, m Moment, limit int) ([]region.ID, error) {
	if q.Person != "" {
		return r.DoorsFor(ctx, q.Org, q.Person, q.Home, m, q.After, limit)
	}
	return r.PeopleOf(ctx, q.Org, q.Door, m, q.After, limit)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
