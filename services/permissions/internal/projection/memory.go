package projection

import (
	"context"
	"errors"
	"fmt"

	"github.com/cardea-mesh/cardea/services/platform/database"
)

// land counts a state that was just stored, and makes room for it.
func (c *Cache) land(o *organization, s *state) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o.gone {
		o.state.Store(nil)
		return
	}
	c.total += s.bytes - o.bytes
	o.bytes = s.bytes
	for c.total > c.cfg.MaxBytes {
		if !c.evict(c.oldest(o)) {
			return
		}
	}
}

// oldest is the organization in memory that nobody asked about for the longest time, but for one; under mu.
func (c *Cache) oldest(but *organization) *organization {
	var oldest *organization
	for _, o := range c.orgs.Load().all {
		if o != but && (oldest == nil || o.used.Load() < oldest.used.Load()) {
			oldest = o
		}
	}
	return oldest
}

// evict forgets an organization; under mu. Who holds a View of it keeps that.
func (c *Cache) evict(o *organization) bool {
	if o == nil {
		return false
	}
	e := c.orgs.Load().edit()
	e.remove(o.id)
	next := e.done()
	c.orgs.Store(&next)
	c.total -= o.bytes
	o.bytes, o.gone = 0, true
	o.state.Store(nil)
	c.meters.evictions.Add(context.Background(), 1)
	return true
}

// failed sees to an organization that could not be read, and says it in a way that leaves the service well. hinted is
// when the first hint came that this reading was to answer.
func (c *Cache) failed(o *organization, err error, hinted int64) error {
	if hinted != 0 {
		o.flights.mu.Lock()
		o.flights.since = hinted
		o.flights.mu.Unlock()
	}
	switch {
	case errors.Is(err, ErrTooLarge):
		o.tooLarge.Store(c.ticks() + int64(tooLargeFor))
		o.state.Store(nil)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.total -= o.bytes
		o.bytes = 0
		c.cfg.Logger.Warn("the organization does not fit into memory: it is answered from the database", "org_id", o.id, "max_bytes", c.cfg.MaxBytes)
	case errors.Is(err, context.DeadlineExceeded): // of the flight, not of anybody's question, who may ask again
		err = fmt.Errorf("%w: read %s: %v", database.ErrUnavailable, o.id, err)
	}
	c.meters.failures.Add(context.Background(), 1)
	return err
}
