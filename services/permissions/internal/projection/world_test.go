package projection_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/cardea-mesh/cardea/services/permissions"
	"github.com/cardea-mesh/cardea/services/permissions/internal/events"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/permissions/internal/postgres"
	"github.com/cardea-mesh/cardea/services/permissions/internal/projection"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

const (
	central region.Name = "eu-central"
	west    region.Name = "eu-west"
)

// never is an interval that no test waits for.
const never = time.Hour

func newDatabase(t testing.TB) *dbtest.Database {
	t.Helper()
	return dbtest.Make(t, dbtest.Options{Schema: permissions.Schema, Sets: permissions.Migrations()})
}

func newStore(t testing.TB, db *database.DB) *postgres.Store {
	regions := dbtest.Regions(t)
	return postgres.New(postgres.Config{
		DB: db, Regions: regions, Record: events.Record,
		Outbox: outbox.New(outbox.Config{Service: postgres.Service, Region: central, Regions: regions, AccessState: true}),
	})
}

// tap is a Source in whose way a test can stand.
type tap struct {
	projection.Source
	blind        atomic.Bool                                 // Heads returns what it returned last
	fails        atomic.Pointer[error]                       // of every call; nil: none
	pull         atomic.Pointer[func()]                      // called before each Pull
	wrong        atomic.Pointer[func(*projection.Rows)]      // changes what Pull returns
	seen         atomic.Pointer[map[region.ID][]grants.Head] // by Heads
	pulls, loads atomic.Int64
	asked        atomic.Int64 // answered calls of Heads
}

func (s *tap) failure() error {
	if err := s.fails.Load(); err != nil {
		return *err
	}
	return nil
}

func (s *tap) fail(err error) {
	if err == nil {
		s.fails.Store(nil)
		return
	}
	s.fails.Store(&err)
}

func (s *tap) Load(ctx context.Context, org region.ID, limit int64) (*projection.Rows, error) {
	s.loads.Add(1)
	if err := s.failure(); err != nil {
		return nil, err
	}
	return s.Source.Load(ctx, org, limit)
}

func (s *tap) Pull(ctx context.Context, org region.ID, since []grants.Head) (*projection.Rows, error) {
	s.pulls.Add(1)
	if wait := s.pull.Load(); wait != nil {
		(*wait)()
	}
	if err := s.failure(); err != nil {
		return nil, err
	}
	rows, err := s.Source.Pull(ctx, org, since)
	if change := s.wrong.Load(); change != nil && err == nil {
		(*change)(rows)
	}
	return rows, err
}

func (s *tap) Heads(ctx context.Context, orgs []region.ID) (map[region.ID][]grants.Head, error) {
	if err := s.failure(); err != nil {
		return nil, err
	}
	if s.blind.Load() {
		if seen := s.seen.Load(); seen != nil {
			return *seen, nil
		}
	}
	heads, err := s.Source.Heads(ctx, orgs)
	if err == nil {
		s.seen.Store(&heads)
		s.asked.Add(1)
	}
	return heads, err
}

// instance is a cache that runs, over a tap.
type instance struct {
	*projection.Cache
	tap    *tap
	meters *sdkmetric.ManualReader
}

func newInstance(t testing.TB, store *postgres.Store, change func(*projection.Config)) *instance {
	t.Helper()
	i := &instance{tap: &tap{Source: postgres.Projection{Store: store, Home: central}}, meters: sdkmetric.NewManualReader()}
	cfg := projection.Config{
		Source: i.tap, Service: postgres.Service, Region: central, Regions: dbtest.Regions(t), Logger: slog.New(slog.DiscardHandler),
		Meter: metric.MeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(i.meters))),
		Poll:  never, MaxUnconfirmed: never, Verify: never,
	}
	if change != nil {
		change(&cfg)
	}
	cache, err := projection.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	i.Cache = cache
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- cache.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return i
}

// count is the sum of a counter over all its attributes.
func (i *instance) count(t testing.TB, name string) (sum int64) {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := i.meters.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if data, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == "cardea.projection."+name {
				for _, point := range data.DataPoints {
					sum += point.Value
				}
			}
		}
	}
	return sum
}

// reason is why an instance grants or denies now.
func (i *instance) reason(t testing.TB, org, door, person region.ID, atLeast ...grants.Token) policy.Reason {
	t.Helper()
	view, err := i.View(t.Context(), org, atLeast)
	if err != nil {
		t.Fatal(err)
	}
	return decide(view, door, person).Reason
}

func decide(view projection.View, door, person region.ID) policy.Decision {
	return grants.Question{Door: door, Person: person}.Decide(view.Facts(), grants.Now(time.Now(), view.Latest()))
}

// clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// eventually asks again until the answer is what it must become; a poll is on its way meanwhile.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

var errGone = errors.New("the network cable is out")
