package access

import (
	"context"
	"log/slog"
	"sync"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"golang.org/x/sync/errgroup"
)

// DefaultMaxAge is how old a copy may be by default.
const DefaultMaxAge = 24 * time.Hour

// lookEvery is how often the copy notes that it is up to date; the note is on disk each noteEvery.
const (
	lookEvery = time.Second
	noteEvery = time.Minute
)

// Source is the region's broker. bus.Bus is one.
type Source interface {
	WatchState(ctx context.Context, onUpdate func(bus.Update), onCaughtUp func(incarnation string)) error
	Connected() bool
}

// Head is a version that was applied: all of the organization's commits in a service and home region up to it.
type Head struct {
	Org, Service, Region string
	Version              int64
	// Incarnation is the life of the bucket that brought it; empty when it came from the file.
	Incarnation string
}

// Config of a Copy; all fields but Jurisdiction, States, StateBound, MaxAge, Told and OnDoorRule are required.
type Config struct {
	// Dir holds the file copy; it is made when it is missing.
	Dir string
	// Ring has the jurisdiction's state keys.
	Ring    *keyring.Ring
	Regions *region.Map
	// Jurisdiction is the gateway's; empty: all regions are of one.
	Jurisdiction region.Jurisdiction
	// States is the shared door state; nil: there is none, and what depends on it is decided without.
	States States
	// StateBound is how long a decision waits for States; 0: DefaultStateBound.
	StateBound time.Duration
	// MaxAge is how old the copy may get before every decision is COPY_TOO_OLD; 0: DefaultMaxAge.
	MaxAge time.Duration
	// Told is how fresh the register of gateways knows the copy to be; nil: it is not asked. The copy's age counts from it, too.
	Told   func() time.Time
	Now    func() time.Time
	Logger *slog.Logger
	// OnApplied is told which versions are applied, once they are also on disk. It must not block.
	OnApplied func([]Head)
	// OnDeviceChanged is told that a device has another door or other keys, or is gone: then now is the zero Device. It must not
	// block, nor ask the Copy.
	OnDeviceChanged func(deviceID string, now Device)
	// OnDoorRule is told that a fact about what doors do by themselves was put or taken out. It must not block, nor ask the Copy.
	OnDoorRule func(DoorRule)
}

// held is what the copy has of one key. fact is nil for a tombstone, an unknown kind, and most of what could not be read.
type held struct {
	record *typev1.StateRecord
	fact   fact
}

// Copy is the access state of the jurisdiction, in memory and in a file.
type Copy struct {
	cfg      Config
	store    *store
	attempts *attempts
	unproven *noted

	mu sync.RWMutex // guards all below
	// records are all keys, so that the file can be written anew.
	records       map[string]held
	organizations map[string]*organization
	devices       *devices
	// revoked are the devices whose tombstone is held, with their organizations.
	revoked map[string]string
	// asOf is when the copy was last known to be what the broker has; zero: never loaded whole.
	asOf time.Time
	// load is the load under way, or the last one.
	load load
	// changed is closed and replaced when a device or door comes or goes, or the copy becomes ready.
	changed chan struct{}
	// following: changes are followed, of which changes is the count.
	following bool
	changes   uint64
	touched   *touched
}

// Open reads the file copy, if there is one. Run keeps it up to date.
func Open(cfg Config) (*Copy, error) {
	if cfg.MaxAge == 0 {
		cfg.MaxAge = DefaultMaxAge
	}
	if cfg.StateBound == 0 {
		cfg.StateBound = DefaultStateBound
	}
	c := &Copy{
		cfg: cfg, attempts: newAttempts(), unproven: newNoted(), records: map[string]held{}, organizations: map[string]*organization{}, devices: newDevices(),
		revoked: map[string]string{}, load: load{seen: map[string]bool{}}, changed: make(chan struct{}), touched: newTouched(),
	}
	if c.cfg.OnDoorRule == nil {
		c.cfg.OnDoorRule = func(DoorRule) {}
	}
	var err error
	if c.store, err = openStore(cfg.Dir, cfg.Logger, c.restore); err != nil {
		return nil, err
	}
	return c, nil
}

// Run follows the source and writes the file until ctx ends.
func (c *Copy) Run(ctx context.Context, source Source) error {
	if heads := c.allHeads(); len(heads) > 0 {
		c.cfg.OnApplied(heads) // what the file had is applied and on disk
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return source.WatchState(ctx, c.update, c.caughtUp) })
	g.Go(func() error { return c.store.run(ctx, c.all, c.cfg.OnApplied) })
	g.Go(func() error { return c.look(ctx, source) })
	return g.Wait()
}

// restore takes one record of the file.
func (c *Copy) restore(key string, record *typev1.StateRecord) {
	switch {
	case key == asOfKey:
		c.asOf = time.Unix(0, record.GetVersion())
	case record.GetRemoved() && record.GetVersion() == 0: // swept
		c.put(key, nil)
	default:
		c.put(key, record)
	}
}

// look notes now and then that the copy is what the broker has.
func (c *Copy) look(ctx context.Context, source Source) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			c.lookOnce(source.Connected())
		}
	}
}

func (c *Copy) lookOnce(connected bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !connected {
		c.load.caughtUp = false // until the next caughtUp
	}
	if !c.load.caughtUp {
		return
	}
	if now := c.cfg.Now(); now.Sub(c.store.noted) >= noteEvery {
		c.noteAsOf()
	} else {
		c.asOf = now
	}
}

// noteAsOf is called with mu held.
func (c *Copy) noteAsOf() {
	c.asOf = c.cfg.Now()
	c.store.noted = c.asOf
	c.store.add(asOfKey, &typev1.StateRecord{Version: c.asOf.UnixNano()}, "")
}

// all gives the whole copy to write, as of one moment.
func (c *Copy) all(yield func(key string, record *typev1.StateRecord)) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for key, h := range c.records {
		yield(key, h.record)
	}
	if !c.asOf.IsZero() {
		yield(asOfKey, &typev1.StateRecord{Version: c.asOf.UnixNano()})
	}
}

func (c *Copy) allHeads() []Head {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var heads []Head
	for key, h := range c.records {
		if head, ok := headOf(key, h.record, ""); ok {
			heads = append(heads, head)
		}
	}
	return heads
}
