package doorstate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// ErrConflict: something of what was read has changed meanwhile, and was read again. Decide again.
var ErrConflict = errors.New("door state changed meanwhile")

// Broker is the own region's broker. bus.Bus is one.
type Broker interface {
	Region() region.Name
	Connected() bool
	GetValue(ctx context.Context, target region.Name, bucket, key string) (bus.Value, error)
	SetValue(ctx context.Context, target region.Name, bucket, key string, body []byte, over uint64) (uint64, error)
	WatchValues(ctx context.Context, bucket string, told bus.ValueWatcher) error
}

// held is the latest that is known of a key of the own region's bucket.
type held struct {
	body     []byte
	revision uint64
}

// Store reads and writes door state.
type Store struct {
	broker Broker
	logger *slog.Logger

	undoing sync.WaitGroup

	mu sync.RWMutex // guards what follows
	// values are of the own region's bucket. A revision of 0: this bucket has nothing there, body is what a former one had.
	values      map[string]held
	incarnation string
	// served: values are what the bucket has, but for what is on its way.
	served bool
}

// bundleInfix is in the keys of the bucket that bundlestate keeps.
const bundleInfix = ".bundle."

// New makes a store that knows nothing yet; Run keeps it up to date.
func New(broker Broker, logger *slog.Logger) *Store {
	return &Store{broker: broker, logger: logger, values: map[string]held{}}
}

// Run follows the own region's bucket until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	defer s.undoing.Wait()
	return s.broker.WatchValues(ctx, bus.StateBucket(s.broker.Region()), bus.ValueWatcher{
		OnValue: s.value, OnCaughtUp: s.caughtUp, OnCut: func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.served = false
		},
	})
}

func (s *Store) value(v bus.Value) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of(v.Incarnation)
	if !strings.Contains(v.Key, bundleInfix) {
		s.keep(v.Key, held{v.Body, v.Revision})
	}
}

func (s *Store) caughtUp(incarnation string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of(incarnation)
	s.served = true
}

// of notices a bucket that was made anew: what is known stays, as nothing that this bucket has. mu is held.
func (s *Store) of(incarnation string) {
	if s.incarnation == incarnation {
		return
	}
	if s.incarnation != "" {
		s.logger.Warn("the bucket of shared door state was made anew; going on from what this gateway remembers", "keys", len(s.values))
	}
	s.incarnation = incarnation
	for key, h := range s.values {
		s.values[key] = held{body: h.body}
	}
}

// keep takes a value unless a newer one is known. mu is held.
func (s *Store) keep(key string, h held) {
	if h.revision > s.values[key].revision {
		s.values[key] = h
	}
}

// known returns what memory has of a key; false where only the broker can tell.
func (s *Store) known(home region.Name, key string) (held, bool) {
	if home != s.broker.Region() || !s.broker.Connected() {
		return held{}, false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.values[key], s.served
}

// fetch asks the broker.
func (s *Store) fetch(ctx context.Context, home region.Name, key string) (held, error) {
	v, err := s.broker.GetValue(ctx, home, bus.StateBucket(home), key)
	if err != nil {
		return held{}, err
	}
	h := held{v.Body, v.Revision}
	if home != s.broker.Region() {
		return h, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.revision == 0 { // keys are not deleted: what is remembered was in a former bucket
		return held{body: s.values[key].body}, nil
	}
	s.keep(key, h)
	return h, nil
}

// set writes a key over what was read. Its error wraps ErrConflict when nothing was written.
func (s *Store) set(ctx context.Context, home region.Name, key string, body []byte, over uint64) (uint64, error) {
	revision, err := s.broker.SetValue(ctx, home, bus.StateBucket(home), key, body, over)
	if errors.Is(err, bus.ErrConflict) {
		return 0, fmt.Errorf("%w: %w", ErrConflict, err)
	}
	if err != nil {
		return 0, err
	}
	if home == s.broker.Region() {
		s.mu.Lock()
		s.keep(key, held{body, revision})
		s.mu.Unlock()
	}
	return revision, nil
}
