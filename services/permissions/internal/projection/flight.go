package projection

import (
	"context"
	"sync"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// A flight is one reading of an organization from the database, for all who wait for it. One is in the air at a time, and
// at most one waits to start: whoever needs what was committed before now joins the one that has not begun.
type flight struct {
	done   chan struct{} // closed at the end; then the two below may be read
	state  *state
	err    error
	verify bool // compare with a whole reading; set before it begins
}

// flights are an organization's.
type flights struct {
	mu      sync.Mutex // guards what follows; nothing else is taken under it
	running *flight
	next    *flight
	hinted  map[region.Name]int64 // the highest version that a hint told of
	since   int64                 // when the first hint came that no flight has answered; 0: there is none
}

// told notes a hint, and says whether it is new.
func (f *flights) told(home region.Name, version, now int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hinted[home] >= version {
		return false
	}
	if f.hinted == nil {
		f.hinted = map[region.Name]int64{}
	}
	f.hinted[home] = version
	if f.since == 0 {
		f.since = now
	}
	return true
}

func (f *flights) inTheAir() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.running != nil
}

// heard returns the highest version in a region that a hint told of.
func (f *flights) heard(home region.Name) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hinted[home]
}

// fly returns a flight that begins after this call, or, where mayHaveBegun, the one in the air if there is any.
func (c *Cache) fly(o *organization, mayHaveBegun, verify bool) *flight {
	f := &o.flights
	f.mu.Lock()
	defer f.mu.Unlock()
	if mayHaveBegun && f.running != nil {
		return f.running
	}
	if f.next == nil {
		f.next = &flight{done: make(chan struct{})}
		if f.running == nil {
			f.running, f.next = f.next, nil
			f.running.verify = verify
			go c.pilot(o, f.running)
			return f.running
		}
	}
	f.next.verify = f.next.verify || verify
	return f.next
}

// pilot flies until nobody waits.
func (c *Cache) pilot(o *organization, this *flight) {
	for this != nil {
		this.state, this.err = c.read(o, this.verify)
		o.flights.mu.Lock()
		this, o.flights.running = o.flights.advance(this)
		o.flights.mu.Unlock()
	}
}

// advance ends a flight and returns the next one, twice; under mu.
func (f *flights) advance(ended *flight) (*flight, *flight) {
	next := f.next
	f.next = nil
	close(ended.done)
	return next, next
}

// Bounds of one reading. A load of the largest organization takes seconds; somebody's question does not wait as long
// as this, its own deadline comes before.
const (
	pullTimeout = 5 * time.Second
	loadTimeout = time.Minute
)

// tooLargeFor is how long an organization that did not fit is not tried again.
const tooLargeFor = time.Minute

// read brings an organization up to date and returns it. It belongs to the pilot.
func (c *Cache) read(o *organization, verify bool) (*state, error) {
	began := c.ticks()
	o.flights.mu.Lock()
	hinted := o.flights.since
	o.flights.since = 0
	o.flights.mu.Unlock()
	before := o.state.Load()
	var next *state
	var err error
	switch {
	case before == nil:
		next, err = c.load(o)
	case verify:
		next, err = c.verify(o, before)
	default:
		next, err = c.pull(o, before)
	}
	if err != nil {
		return nil, c.failed(o, err, hinted)
	}
	// The state first: a state that is newer than its confirmation is only asked about once more.
	o.state.Store(next)
	o.confirmed.Store(began)
	if next != before {
		c.land(o, next)
	}
	if hinted != 0 {
		c.meters.lag.Record(context.Background(), time.Duration(c.ticks()-hinted).Seconds())
	}
	return next, nil
}

func (c *Cache) load(o *organization) (*state, error) {
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	began := c.ticks()
	rows, err := c.cfg.Source.Load(ctx, o.id, c.cfg.MaxBytes)
	if err != nil {
		return nil, err
	}
	s := load(o.id, rows, c.cfg.Regions)
	if s.bytes > c.cfg.MaxBytes {
		return nil, ErrTooLarge
	}
	c.meters.loads.Add(ctx, 1)
	c.meters.loadTime.Record(ctx, time.Duration(c.ticks()-began).Seconds())
	return s, nil
}

func (c *Cache) pull(o *organization, before *state) (*state, error) {
	ctx, cancel := context.WithTimeout(context.Background(), pullTimeout)
	defer cancel()
	rows, err := c.cfg.Source.Pull(ctx, o.id, before.heads)
	if err != nil {
		return nil, err
	}
	c.meters.pulls.Add(ctx, 1)
	if c.turnedBack(before, rows) {
		o.state.Store(nil) // nobody is answered from it any more
		return c.load(o)
	}
	if same(before.heads, rows.Heads) {
		return before, nil
	}
	next := before.apply(rows, c.cfg.Regions)
	if next.bytes > c.cfg.MaxBytes {
		return nil, ErrTooLarge
	}
	return next, nil
}

// turnedBack says whether the database is not the one that a state was read from, or an older state of it: it was
// restored. A version that is lower than one that was read shows it, and a version that was recorded at another moment.
func (c *Cache) turnedBack(before *state, rows *Rows) bool {
	for i, head := range rows.Heads {
		was := before.heads[i]
		if head.Version < was.Version || head.Version == was.Version && !head.RecordedAt.Equal(was.RecordedAt) {
			c.cfg.Logger.Error("the database has an older state than was read from it before: the organization is read anew",
				"org_id", before.org, "region", head.Region, "version", head.Version, "was", was.Version)
			c.meters.turnedBack.Add(context.Background(), 1)
			return true
		}
	}
	return false
}
