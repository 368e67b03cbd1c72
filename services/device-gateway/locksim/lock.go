package locksim

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim/offline"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Config says what lock to simulate. Every field but Store may stay zero.
type Config struct {
	// Store is required and must be enrolled.
	Store Store
	// Endpoints go before those that the lock was told; for tests of failing over.
	Endpoints []string
	// Firmware and Model are shown to the gateway; default "locksim".
	Firmware, Model string
	// RingSize is how many events the ring holds; default 1,000.
	RingSize int
	// BackoffMin and BackoffMax bound the wait before a reconnect; default 1 s and 60 s.
	BackoffMin, BackoffMax time.Duration
	// HomeEvery is how often a lock that is not at its first endpoint looks whether it can go back; default 15 minutes.
	HomeEvery time.Duration
	// RefusedWait is the wait after DEVICE_REFUSED; default 1 hour.
	RefusedWait time.Duration
	// SwitchWait is how long a lock whose new key was refused stays with the old one before it tries again; default 10 minutes.
	SwitchWait time.Duration
	// Clock is the lock's clock before it is set; default time.Now.
	Clock func() time.Time
	// ClockQuality is how good the lock says that its clock is at boot; default FREE_RUNNING.
	ClockQuality lockwirev1.ClockQuality
	// KeepClock leaves the clock alone when a gateway tells the time.
	KeepClock bool
	// NoBundle: the lock does not name `bundle`, and decides nothing alone.
	NoBundle bool
	// Tracer makes a trace of each swipe; default none.
	Tracer trace.TracerProvider
	// Logger gets connects and disconnects; default none.
	Logger *slog.Logger
	// Dial opens a connection to a gateway; default TCP from any address.
	Dial Dialer
	// Observer is told what happens; default nobody.
	Observer Observer
	// Forget leaves events out of Events, for processes of many locks that run for long.
	Forget bool
	// Shared is what locks of one process have together; default nothing.
	Shared *Shared
}

func (c *Config) setDefaults() {
	c.Firmware = cmp.Or(c.Firmware, "locksim")
	c.Model = cmp.Or(c.Model, "locksim")
	c.RingSize = cmp.Or(c.RingSize, 1000)
	c.BackoffMin = cmp.Or(c.BackoffMin, time.Second)
	c.BackoffMax = cmp.Or(c.BackoffMax, 60*time.Second)
	c.HomeEvery = cmp.Or(c.HomeEvery, 15*time.Minute)
	c.RefusedWait = cmp.Or(c.RefusedWait, time.Hour)
	c.SwitchWait = cmp.Or(c.SwitchWait, 10*time.Minute)
	c.ClockQuality = cmp.Or(c.ClockQuality, lockwirev1.ClockQuality_CLOCK_QUALITY_FREE_RUNNING)
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Tracer == nil {
		c.Tracer = noop.NewTracerProvider()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	if c.Observer == nil {
		c.Observer = nobody{}
	}
	if c.Shared == nil {
		c.Shared = new(Shared)
	}
}

// Lock is one simulated lock, from one boot to the next.
type Lock struct {
	cfg    Config
	tracer trace.Tracer
	cert   tls.Certificate
	roots  *x509.CertPool
	booted time.Time

	mu      sync.Mutex
	flash   *flash
	offset  time.Duration // what the clock is off by, set by a gateway
	quality lockwirev1.ClockQuality
	link    *link // nil without an open session
	lastErr error
	renewal renewal
	holder  *offline.Holder
	// opened counts the times that the door was unlocked.
	opened int
	log    []Record
	// changed is closed and forgotten whenever anything above changes; nil while nobody waits, see watch.
	changed chan struct{}
}

// Record is an event as the lock wrote it.
type Record struct {
	Epoch, Sequence uint64
	Event           *lockwirev1.Event
}

// Open boots a lock: it raises the boot epoch in the store and writes the BOOT event. Run connects it.
func Open(cfg Config) (*Lock, error) {
	cfg.setDefaults()
	f, err := load(cfg.Store)
	if err != nil {
		return nil, err
	}
	if f.DeviceID == "" {
		return nil, ErrNotEnrolled
	}
	l := &Lock{
		cfg: cfg, tracer: cfg.Tracer.Tracer("github.com/cardea-mesh/cardea/services/device-gateway/locksim"),
		flash: f, quality: cfg.ClockQuality, booted: time.Now(),
	}
	if err := l.identity(); err != nil {
		return nil, err
	}
	l.openBundle()
	for _, r := range f.Rings {
		r.afterBoot()
	}
	f.BootEpoch++
	f.Rings = append(f.Rings, &epochRing{Epoch: f.BootEpoch, First: 1, Next: 1})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write(l.ring().reserve(), l.stamp(&lockwirev1.Event{Kind: lockwirev1.EventKind_EVENT_KIND_BOOT}))
	return l, nil
}

func (l *Lock) identity() error {
	key, err := x509.ParsePKCS8PrivateKey(l.flash.Key)
	if err != nil {
		return fmt.Errorf("lock's key: %w", err)
	}
	l.cert = tls.Certificate{Certificate: l.flash.Chain, PrivateKey: key}
	if l.roots, err = l.cfg.Shared.pool(l.flash.Roots); err != nil {
		return fmt.Errorf("lock's roots: %w", err)
	}
	return l.loadNext()
}

// DeviceID is whose identity the lock has.
func (l *Lock) DeviceID() string { return l.flash.DeviceID }

// BootEpoch is how often the lock has booted.
func (l *Lock) BootEpoch() uint64 { return l.flash.BootEpoch }

// Opened is how often the lock unlocked its door.
func (l *Lock) Opened() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.opened
}

// Events are all events of this boot, also those that were freed; none with Config.Forget.
func (l *Lock) Events() []Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.log)
}

// LastError is why the last session ended or could not begin; nil before.
func (l *Lock) LastError() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lastErr
}

// Now is the lock's clock.
func (l *Lock) Now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now()
}

// The rest is called with mu held.

func (l *Lock) now() time.Time { return l.cfg.Clock().Add(l.offset) }

func (l *Lock) ring() *epochRing { return l.flash.Rings[len(l.flash.Rings)-1] }

// watch is closed when anything changes after now.
func (l *Lock) watch() <-chan struct{} {
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.changed
}

// broadcast tells whoever waits, and the session, that something changed.
func (l *Lock) broadcast() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
	if l.link != nil {
		l.link.kick()
	}
}

// stamp puts the clocks into an event.
func (l *Lock) stamp(e *lockwirev1.Event) *lockwirev1.Event {
	e.LockTimeMs, e.ClockQuality = l.clock()
	e.UptimeMs = uint64(time.Since(l.booted).Milliseconds())
	return e
}

func (l *Lock) clock() (uint64, lockwirev1.ClockQuality) {
	if l.quality == lockwirev1.ClockQuality_CLOCK_QUALITY_UNSET {
		return 0, l.quality
	}
	return uint64(l.now().UnixMilli()), l.quality
}

// write puts an event into its reserved place and the flash.
func (l *Lock) write(sequence uint64, e *lockwirev1.Event) {
	l.ring().fill(sequence, e)
	if !l.cfg.Forget {
		l.log = append(l.log, Record{Epoch: l.flash.BootEpoch, Sequence: sequence, Event: e})
	}
	l.cfg.Observer.EventWritten(l.flash.BootEpoch, sequence)
	l.makeRoom()
	l.save()
}

func (l *Lock) makeRoom() {
	held := 0
	for _, r := range l.flash.Rings {
		held += len(r.Events)
	}
	for _, r := range l.flash.Rings {
		for held > l.cfg.RingSize && r.squeeze() {
			held--
		}
	}
}

// free drops what is durable, and boot epochs of which nothing is left. An acknowledgement that begins behind the oldest
// entry frees nothing: it says nothing about that one.
func (l *Lock) free(epoch, from, upTo uint64) {
	for _, r := range l.flash.Rings {
		if r.Epoch != epoch || from > r.First {
			continue
		}
		if first := r.First; r.free(upTo) {
			l.cfg.Observer.EventsDurable(epoch, first, r.First-1)
		}
	}
	l.flash.Rings = slices.DeleteFunc(l.flash.Rings, func(r *epochRing) bool {
		return len(r.Events) == 0 && r.Epoch != l.flash.BootEpoch
	})
	l.save()
}

// save writes the flash; a simulated lock whose store fails goes on and says so.
func (l *Lock) save() {
	if err := l.flash.save(l.cfg.Store, &l.mu); err != nil {
		l.cfg.Logger.Error("lock: save", "error", err)
	}
	l.broadcast()
}

// await waits until done, called with mu held, is true.
func (l *Lock) await(ctx context.Context, what string, done func() bool) error {
	for {
		l.mu.Lock()
		ok, changed, last := done(), l.watch(), l.lastErr
		l.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("lock %s: waiting for %s: %w (last error of the connection: %v)", l.flash.DeviceID, what, ctx.Err(), last)
		}
	}
}

// WaitOpen waits for an open session.
func (l *Lock) WaitOpen(ctx context.Context) error {
	return l.await(ctx, "a session", func() bool { return l.link != nil })
}

// WaitClosed waits until there is no open session.
func (l *Lock) WaitClosed(ctx context.Context) error {
	return l.await(ctx, "the session's end", func() bool { return l.link == nil })
}

// WaitDurable waits until the ring is empty: everything that the lock wrote is durable in the region.
func (l *Lock) WaitDurable(ctx context.Context) error {
	return l.await(ctx, "the ring to empty", func() bool {
		return !slices.ContainsFunc(l.flash.Rings, func(r *epochRing) bool { return len(r.Events) > 0 })
	})
}

// WaitReceived waits until the gateway said that it has everything that the lock wrote on its disk.
func (l *Lock) WaitReceived(ctx context.Context) error {
	return l.await(ctx, "the gateway to receive everything", func() bool {
		if l.link == nil {
			return false
		}
		for _, r := range l.flash.Rings {
			if n := len(r.Events); n > 0 && l.link.received[r.Epoch] < r.First+uint64(n)-1 {
				return false
			}
		}
		return true
	})
}

// WaitError waits until a session ended, or could not begin, with an error.
func (l *Lock) WaitError(ctx context.Context) error {
	if err := l.await(ctx, "an error", func() bool { return l.lastErr != nil }); err != nil {
		return err
	}
	return l.LastError()
}
