package projection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Config of a Cache. Source, Service, Region, Regions, Logger and Meter are required.
type Config struct {
	Source  Source
	Service string      // whose tokens these are
	Region  region.Name // the own; all of its jurisdiction is read
	Regions *region.Map
	Logger  *slog.Logger
	Meter   metric.MeterProvider

	// MaxBytes bounds the memory of all organizations, as estimated; default 512 MiB.
	MaxBytes int64
	// Poll is how often the heads of organizations in use are compared with the database's; default 250 ms.
	Poll time.Duration
	// MaxUnconfirmed is how long an organization is answered from after its heads were last known to be the
	// database's; default 2 s. Later questions ask the database first, and fail when it does not answer.
	MaxUnconfirmed time.Duration
	// Verify is how often one of the organizations is read anew and compared; default 1 min.
	Verify time.Duration
	// Clock is the process's, for intervals; default time.Now.
	Clock func() time.Time
}

func (c *Config) defaults() {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&c.Poll, 250*time.Millisecond)
	set(&c.MaxUnconfirmed, 2*time.Second)
	set(&c.Verify, time.Minute)
	if c.MaxBytes == 0 {
		c.MaxBytes = 512 << 20
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
}

// Cache keeps organizations. Run must run.
type Cache struct {
	cfg    Config
	born   time.Time
	meters meters
	hits   atomic.Int64

	orgs atomic.Pointer[table[region.ID, *organization]] // changed under mu only

	mu    sync.Mutex // guards what follows, and in each organization what says so. Taken after none, held for no I/O.
	total int64      // estimated bytes of all
}

// organization is one that was asked about.
type organization struct {
	id        region.ID
	state     atomic.Pointer[state] // nil: to be loaded
	confirmed atomic.Int64          // when its heads were last known to be the database's; see Cache.ticks
	used      atomic.Int64          // when it was last asked about, to a tenth of a second
	tooLarge  atomic.Int64          // until when it is not tried again; 0: it is not
	verified  int64                 // when it was last compared; Run's

	// Under Cache.mu:
	bytes int64 // its part of total
	gone  bool  // evicted: nobody finds it any more

	flights flights
}

// New makes an empty cache.
func New(cfg Config) (*Cache, error) {
	cfg.defaults()
	c := &Cache{cfg: cfg, born: cfg.Clock()}
	c.orgs.Store(&table[region.ID, *organization]{})
	return c, c.meter()
}

// ticks is now, as nanoseconds since the cache was made.
func (c *Cache) ticks() int64 { return int64(c.cfg.Clock().Sub(c.born)) }

// View returns an organization as it is now, at least as fresh as the tokens. Tokens of other services and other
// jurisdictions say nothing about it and are passed over. Errors: outbox.ErrNotFresh for a token that is ahead of the
// database, ErrTooLarge, and those of the database when it has to be asked.
func (c *Cache) View(ctx context.Context, org region.ID, atLeast []grants.Token) (View, error) {
	now := c.ticks()
	o, known := c.orgs.Load().get(org)
	if known {
		if s := o.state.Load(); s != nil && c.usable(o, s, atLeast, now) == nil {
			o.touch(now)
			c.hits.Add(1)
			return View{s, c.cfg.Service}, nil
		}
	} else {
		o = c.add(org, now)
	}
	o.touch(now)
	return c.await(ctx, o, atLeast)
}

// touch notes that somebody asked. Not at every question: all cores would write to one place.
func (o *organization) touch(now int64) {
	if now-o.used.Load() > int64(100*time.Millisecond) {
		o.used.Store(now)
	}
}

var errUnconfirmed = errors.New("projection: not confirmed lately")

// usable says why a state may not be answered from; nil: it may.
func (c *Cache) usable(o *organization, s *state, atLeast []grants.Token, now int64) error {
	if now-o.confirmed.Load() > int64(c.cfg.MaxUnconfirmed) {
		return errUnconfirmed
	}
	for i := range atLeast {
		t := &atLeast[i]
		if t.Service != c.cfg.Service {
			continue
		}
		if version, here := s.version(t.Region); here && version < t.Version {
			return fmt.Errorf("%w: %s is at version %d, the token at %d", outbox.ErrNotFresh, t.Org, version, t.Version)
		}
	}
	return nil
}

// await asks the database, together with all others that wait for the same organization. What is on its way may do; what
// began after the question does, or nothing will.
func (c *Cache) await(ctx context.Context, o *organization, atLeast []grants.Token) (View, error) {
	if until := o.tooLarge.Load(); until != 0 && c.ticks() < until {
		return View{}, ErrTooLarge
	}
	for _, mayHaveBegun := range []bool{true, false} {
		f := c.fly(o, mayHaveBegun, false)
		select {
		case <-ctx.Done():
			return View{}, fmt.Errorf("projection: wait for %s: %w", o.id, context.Cause(ctx))
		case <-f.done:
		}
		if f.err != nil {
			return View{}, f.err
		}
		// Not o.state: it may have been evicted meanwhile, and this answer is good all the same.
		err := c.usable(o, f.state, atLeast, c.ticks())
		if err == nil {
			return View{f.state, c.cfg.Service}, nil
		}
		if !mayHaveBegun {
			if errors.Is(err, errUnconfirmed) { // it was the database's when it was read, but reading it took too long
				err = fmt.Errorf("%w: reading %s took longer than it may be answered from", database.ErrUnavailable, o.id)
			}
			return View{}, err
		}
	}
	panic("unreachable")
}

// add returns the organization's place, making one if need be.
func (c *Cache) add(org region.ID, now int64) *organization {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.orgs.Load()
	if o, ok := all.get(org); ok {
		return o
	}
	o := &organization{id: org}
	o.used.Store(now)
	e := all.edit()
	e.set(org, o)
	next := e.done()
	c.orgs.Store(&next)
	return o
}

// Committed says that an organization's commit in a region is in the database: a hint to pull.
func (c *Cache) Committed(org region.ID, home region.Name, version int64) {
	o, known := c.orgs.Load().get(org)
	if !known {
		return
	}
	news := o.flights.told(home, version, c.ticks())
	switch s := o.state.Load(); {
	case !news:
	case s == nil:
		if o.flights.inTheAir() { // it may have read the heads before the commit
			c.fly(o, false, false)
		}
	default:
		if v, here := s.version(home); here && v < version {
			c.fly(o, false, false)
		}
	}
}
