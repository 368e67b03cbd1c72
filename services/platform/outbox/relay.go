package outbox

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"go.opentelemetry.io/otel/metric"
)

// Publisher sends events and facts; one that is a Storage too has its buckets filled again when they were lost. An error means "perhaps not done": the relay does it again.
type Publisher interface {
	// PublishEvent returns nil when the stream has stored the event. The stream drops a repetition by the event's id.
	PublishEvent(ctx context.Context, subject string, ev *typev1.Event) error
	// PutState writes a fact into target's bucket, compare-and-set: never over a higher version. It returns nil when the
	// bucket has this version or a higher one.
	PutState(ctx context.Context, target region.Name, bucket, key string, rec *typev1.StateRecord) error
}

// Caller makes cross-border calls. The receiver takes a repeated or an older call without effect.
type Caller interface {
	Call(ctx context.Context, target region.Name, procedure string, request []byte) error
}

// RelayConfig says what a relay works with. DB, Outbox, Publisher and Caller are required.
type RelayConfig struct {
	DB        *database.DB
	Outbox    *Outbox
	Publisher Publisher
	Caller    Caller
	// Region of this process; default: the outbox's.
	Region region.Name
	// Holder names this process in the leases; default: random. Two processes must not share a name.
	Holder string
	Logger *slog.Logger         // default: none
	Meter  metric.MeterProvider // default: none

	Poll        time.Duration // default 100 ms: how soon rows are found that no commit of this process announced
	Lease       time.Duration // default 3 s: how soon another relay takes over from one that died
	SendTimeout time.Duration // default 5 s: for one event, fact or call
	MaxBackoff  time.Duration // default 2 s: the longest pause of an organization whose sending fails
	Look        time.Duration // default 5 s: how soon a bucket that was made anew is noticed while there is nothing to send
}

// Relay sends outbox rows of its jurisdiction. For each pair of home and target region one relay holds a lease; the home
// region's relays come first, another region's take what these leave. The lease only saves double work: sending twice,
// late or by two relays at once changes nothing, because streams and consumers deduplicate and facts compare versions.
//
// A bucket that was lost and made anew is filled with every fact before anything else is sent there (fill.go).
//
// Rows of one organization go out one by one in order; a failure stops that organization and target, which is tried
// again after a growing pause; others go on. Nothing is ever dropped: a row that is refused for ever waits for a person.
type Relay struct {
	cfg                RelayConfig
	storage            Storage // nil: the publisher cannot tell
	meters             meters
	lanes              map[path]*lane
	order              []path // lanes' keys, sorted: relays take leases in one order
	quiet, quietBroker quiet
}

// path is where rows go from and to.
type path struct{ home, target region.Name }

func (p path) String() string { return fmt.Sprintf("%s to %s", p.home, p.target) }

// NewRelay makes a relay; Run starts it.
func NewRelay(cfg RelayConfig) (*Relay, error) {
	if cfg.Region == "" {
		cfg.Region = cfg.Outbox.cfg.Region
	}
	if cfg.Holder == "" {
		cfg.Holder = rand.Text()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&cfg.Poll, 100*time.Millisecond)
	setDefault(&cfg.Lease, 3*time.Second)
	setDefault(&cfg.SendTimeout, 5*time.Second)
	setDefault(&cfg.MaxBackoff, 2*time.Second)
	setDefault(&cfg.Look, 5*time.Second)
	own, err := cfg.Outbox.cfg.Regions.Lookup(cfg.Region)
	if err != nil {
		return nil, fmt.Errorf("outbox: relay: %w", err)
	}
	r := &Relay{cfg: cfg, lanes: map[path]*lane{}}
	r.storage, _ = cfg.Publisher.(Storage)
	if r.meters, err = newMeters(cfg.Meter); err != nil {
		return nil, fmt.Errorf("outbox: relay: %w", err)
	}
	for _, home := range cfg.Outbox.cfg.Regions.In(own.Jurisdiction) {
		for _, target := range cfg.Outbox.cfg.Regions.All() {
			p := path{home: home.Name, target: target.Name}
			r.lanes[p] = newLane(p, r)
			r.order = append(r.order, p)
		}
	}
	return r, nil
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// Run sends until ctx ends, and then gives its leases back. The database or the broker being away is no error: it logs
// and goes on when they are back.
func (r *Relay) Run(ctx context.Context) error {
	r.cfg.Outbox.add(r)
	defer r.cfg.Outbox.remove(r)
	var lanes sync.WaitGroup
	for _, l := range r.lanes {
		lanes.Go(func() { l.run(ctx) })
	}
	r.keep(ctx)
	lanes.Wait()
	r.giveBack(context.WithoutCancel(ctx))
	return nil
}

// Wake makes the relay look for rows now.
func (r *Relay) Wake() { r.wake(r.order) }

func (r *Relay) wake(paths []path) {
	for _, p := range paths {
		if l, ok := r.lanes[p]; ok {
			l.wake()
		}
	}
}

// keep renews the leases and polls until ctx ends.
func (r *Relay) keep(ctx context.Context) {
	renew, poll := time.NewTicker(r.cfg.Lease/3), time.NewTicker(r.cfg.Poll)
	look := time.NewTicker(r.cfg.Look)
	defer renew.Stop()
	defer poll.Stop()
	defer look.Stop()
	r.log(ctx, "take leases", r.takeLeases(ctx))
	for {
		select {
		case <-ctx.Done():
			return
		case <-renew.C:
			r.log(ctx, "take leases", r.takeLeases(ctx))
		case <-poll.C:
			r.log(ctx, "poll", r.poll(ctx))
		case <-look.C:
			r.look()
		}
	}
}

// look has every lane look whether its bucket is still the one that it filled.
func (r *Relay) look() {
	for _, l := range r.lanes {
		l.look.Store(true)
		l.wake()
	}
}

// logEvery bounds the lines that a database outage writes: every poll fails then.
const logEvery = 10 * time.Second

// quiet is when the last line was written, in nanoseconds since 1970.
type quiet struct{ last atomic.Int64 }

func (q *quiet) pass(now time.Time) bool {
	last := q.last.Load()
	return now.UnixNano()-last >= int64(logEvery) && q.last.CompareAndSwap(last, now.UnixNano())
}

func (r *Relay) log(ctx context.Context, what string, err error) {
	if err == nil || ctx.Err() != nil || !r.quiet.pass(time.Now()) {
		return
	}
	r.cfg.Logger.WarnContext(ctx, "the outbox relay could not reach its database, trying again", "what", what, "error", err.Error())
}

// logTo is log for what keeps a lane from sending at all.
func (r *Relay) logTo(ctx context.Context, lane string, err error) {
	if ctx.Err() == nil && r.quietBroker.pass(time.Now()) {
		r.cfg.Logger.WarnContext(ctx, "the outbox relay cannot tell whether a bucket has everything, trying again", "lane", lane, "error", err.Error())
	}
}

func (o *Outbox) add(r *Relay) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.relays = append(o.relays, r)
}

func (o *Outbox) remove(r *Relay) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, other := range o.relays {
		if other == r {
			o.relays = append(o.relays[:i:i], o.relays[i+1:]...)
			return
		}
	}
}
