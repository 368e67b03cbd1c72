package bundlestate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/proto"
)

// ErrConflict: the record was written by somebody else meanwhile. Read it and decide again.
var ErrConflict = errors.New("bundle state changed meanwhile")

// Broker is the own region's broker. bus.Bus is one.
type Broker interface {
	Region() region.Name
	GetValue(ctx context.Context, target region.Name, bucket, key string) (bus.Value, error)
	SetValue(ctx context.Context, target region.Name, bucket, key string, body []byte, over uint64) (uint64, error)
	LastRevision(ctx context.Context, target region.Name, bucket string) (revision uint64, incarnation string, err error)
	WatchValues(ctx context.Context, bucket string, told bus.ValueWatcher) error
}

// Device names a record.
type Device struct {
	// Home is the device's region.
	Home    region.Name
	Org, ID string
}

func (d Device) key() string { return d.Org + infix + d.ID }

// infix is between the organization and the device in a key.
const infix = ".bundle."

// Record is what was read. State is not to be changed.
type Record struct {
	State *gatewayv1.BundleState
	// Revision is to write over; 0: the bucket has nothing, and State is empty.
	Revision uint64
	// Began is when the bucket began; only known where Revision is 0.
	Began time.Time
}

// Store reads and writes the records.
type Store struct {
	broker Broker

	mu          sync.Mutex // guards what follows
	values      map[string]bus.Value
	incarnation string
	delivered   uint64
	served      bool
	// more is closed and replaced whenever something came.
	more chan struct{}
	anew chan struct{}
}

// New makes a store that knows nothing yet; Run keeps it up to date.
func New(broker Broker) *Store {
	return &Store{broker: broker, values: map[string]bus.Value{}, more: make(chan struct{}), anew: make(chan struct{}, 1)}
}

// Run follows the own region's bucket until ctx ends.
func (s *Store) Run(ctx context.Context) error {
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
	s.delivered = v.Revision
	if strings.Contains(v.Key, infix) {
		s.keep(v)
	}
	s.ring()
}

func (s *Store) caughtUp(incarnation string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of(incarnation)
	s.served = true
	s.ring()
}

// of notices a bucket that was made anew. mu is held.
func (s *Store) of(incarnation string) {
	if s.incarnation == incarnation {
		return
	}
	if s.incarnation != "" {
		select {
		case s.anew <- struct{}{}:
		default:
		}
	}
	s.incarnation, s.delivered, s.served = incarnation, 0, false
	clear(s.values)
}

// Anew is ready when the own region's bucket was made anew: what was noted in it is lost, and is to be noted again.
func (s *Store) Anew() <-chan struct{} { return s.anew }

// keep takes a value unless a newer one is known. mu is held.
func (s *Store) keep(v bus.Value) {
	if v.Revision > s.values[v.Key].Revision {
		s.values[v.Key] = v
	}
}

// ring is called with mu held.
func (s *Store) ring() {
	close(s.more)
	s.more = make(chan struct{})
}

// Changed is closed when something in the own region's bucket has changed since the call.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.more
}

// Settle returns once memory has all that was written to the own region's bucket before the call. Errors: the broker's, ctx's.
func (s *Store) Settle(ctx context.Context) error {
	last, incarnation, err := s.broker.LastRevision(ctx, s.broker.Region(), bus.StateBucket(s.broker.Region()))
	if err != nil {
		return err
	}
	for {
		s.mu.Lock()
		ok, more := s.served && s.incarnation == incarnation && s.delivered >= last, s.more
		s.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return fmt.Errorf("wait for the bundle state up to revision %d: %w", last, context.Cause(ctx))
		}
	}
}

// Known is what memory has of a device of the own region; it is as true as the last Settle. Errors: a record that cannot be read.
func (s *Store) Known(d Device) (Record, error) {
	s.mu.Lock()
	v, incarnation := s.values[d.key()], s.incarnation
	s.mu.Unlock()
	if v.Revision == 0 {
		return nothing(incarnation)
	}
	return record(v)
}

// Recall is Known without a wait: what memory has at the moment, which the bucket may be ahead of; whoever writes over it then gets
// ErrConflict. false: memory has nothing to go by.
func (s *Store) Recall(d Device) (Record, bool) {
	s.mu.Lock()
	served := s.served && d.Home == s.broker.Region()
	s.mu.Unlock()
	if !served {
		return Record{}, false
	}
	r, err := s.Known(d)
	return r, err == nil
}

// Devices are those of an organization of which the own region's bucket has a record, in no order.
func (s *Store) Devices(org string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for key := range s.values {
		if of, device, ok := strings.Cut(key, infix); ok && of == org {
			all = append(all, device)
		}
	}
	return all
}

// Read asks the broker of the device's home. Errors: the broker's; a record that cannot be read.
func (s *Store) Read(ctx context.Context, d Device) (Record, error) {
	bucket := bus.StateBucket(d.Home)
	v, err := s.broker.GetValue(ctx, d.Home, bucket, d.key())
	if err != nil {
		return Record{}, err
	}
	if v.Revision > 0 {
		return record(v)
	}
	_, incarnation, err := s.broker.LastRevision(ctx, d.Home, bucket)
	if err != nil {
		return Record{}, err
	}
	return nothing(incarnation)
}

// Write replaces what was read and returns the new record. Errors: ErrConflict, nothing was written; the broker's, unknown whether it
// was.
func (s *Store) Write(ctx context.Context, d Device, over Record, next *gatewayv1.BundleState) (Record, error) {
	body, err := proto.Marshal(next)
	if err != nil {
		return Record{}, fmt.Errorf("encode bundle state: %w", err)
	}
	revision, err := s.broker.SetValue(ctx, d.Home, bus.StateBucket(d.Home), d.key(), body, over.Revision)
	if errors.Is(err, bus.ErrConflict) {
		return Record{}, fmt.Errorf("%w: %w", ErrConflict, err)
	}
	if err == nil && d.Home == s.broker.Region() {
		s.mu.Lock()
		s.keep(bus.Value{Key: d.key(), Body: body, Revision: revision})
		s.ring()
		s.mu.Unlock()
	}
	return Record{State: next, Revision: revision}, err
}

func record(v bus.Value) (Record, error) {
	r := Record{State: new(gatewayv1.BundleState), Revision: v.Revision}
	if err := proto.Unmarshal(v.Body, r.State); err != nil {
		return r, fmt.Errorf("bundle state at %s: %w", v.Key, err)
	}
	return r, nil
}

func nothing(incarnation string) (Record, error) {
	began, err := time.Parse(time.RFC3339Nano, incarnation)
	if err != nil {
		return Record{}, fmt.Errorf("when the bucket of bundle state began: %w", err)
	}
	return Record{State: new(gatewayv1.BundleState), Began: began}, nil
}
