package projection

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// pollUsed: organizations that nobody asked about for so long are not polled. Their next question finds them unconfirmed
// and asks the database itself.
const pollUsed = 30 * time.Second

// pollAtOnce bounds one query.
const pollAtOnce = 1000

// Run polls and verifies until ctx ends.
func (c *Cache) Run(ctx context.Context) error {
	poll, verify := time.NewTicker(c.cfg.Poll), time.NewTicker(c.cfg.Verify)
	defer poll.Stop()
	defer verify.Stop()
	p := poller{cache: c}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-poll.C:
			p.poll(ctx)
		case <-verify.C:
			c.verifyOne()
		}
	}
}

// poller belongs to Run.
type poller struct {
	cache *Cache
	ahead []sighting // what the previous poll saw before anybody had told of it
	down  bool       // the last poll failed
}

// sighting is a head in the database that was ahead of a state.
type sighting struct {
	o    *organization
	head grants.Head
}

func (p *poller) poll(ctx context.Context) {
	p.judge()
	now := p.cache.ticks()
	asked := make(map[region.ID]*organization)
	var ids []region.ID
	for id, o := range p.cache.orgs.Load().all {
		if o.state.Load() == nil || now-o.used.Load() > int64(pollUsed) {
			continue
		}
		asked[id] = o
		if ids = append(ids, id); len(ids) == pollAtOnce {
			p.ask(ctx, ids, asked)
			ids = ids[:0]
		}
	}
	if len(ids) > 0 {
		p.ask(ctx, ids, asked)
	}
}

// ask compares the heads of some organizations with the database's.
func (p *poller) ask(ctx context.Context, ids []region.ID, asked map[region.ID]*organization) {
	c := p.cache
	states := make([]*state, len(ids)) // as they were before the database was asked
	for i, id := range ids {
		states[i] = asked[id].state.Load()
	}
	began := c.ticks()
	ctx, cancel := context.WithTimeout(ctx, max(c.cfg.MaxUnconfirmed, c.cfg.Poll))
	defer cancel()
	heads, err := c.cfg.Source.Heads(ctx, ids)
	if p.down != (err != nil) {
		p.down = err != nil
		c.cfg.Logger.WarnContext(ctx, "poll of the heads", "fails", p.down, "error", err)
	}
	if err != nil {
		return
	}
	for i, id := range ids {
		o, s := asked[id], states[i]
		switch {
		case s == nil: // dropped meanwhile
		case same(s.heads, heads[id]):
			o.confirm(began)
		default:
			p.sight(o, s, heads[id])
			c.fly(o, false, false)
		}
	}
}

// confirm notes that the heads were the database's at a moment, unless a later one is noted.
func (o *organization) confirm(at int64) {
	for {
		was := o.confirmed.Load()
		if was >= at || o.confirmed.CompareAndSwap(was, at) {
			return
		}
	}
}

func (p *poller) sight(o *organization, s *state, heads []grants.Head) {
	for i, head := range heads {
		if i < len(s.heads) && head.Version > s.heads[i].Version {
			p.ahead = append(p.ahead, sighting{o, head})
		}
	}
}

// judge counts what the poll before saw first and nobody has told of since: a hint that is merely slower than the poll is
// not a missed one. Commits in other regions come without hints where the broker does not share their events.
func (p *poller) judge() {
	for _, s := range p.ahead {
		if s.o.flights.heard(s.head.Region) >= s.head.Version {
			continue
		}
		where := "other"
		if s.head.Region == p.cache.cfg.Region {
			where = "own"
		}
		p.cache.meters.missed.Add(context.Background(), 1, metric.WithAttributes(attribute.String("region", where)))
	}
	p.ahead = p.ahead[:0]
}
