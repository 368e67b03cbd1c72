// Package simulated is an operator who stands at a simulated lock: with it lockconformance looks at Cardea's own, and anybody can
// see a whole run without a lock.
package simulated

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
)

// Operator has one simulated lock with a keypad, a phone and a door. Make one with New.
type Operator struct {
	ctx    context.Context
	config func(*locksim.Config)
	store  *locksim.Memory
	phone  *locksim.Key

	mu   sync.Mutex
	lock *locksim.Lock // nil: none is enrolled
	stop func()
	// refused is what came of the claim codes that the lock did not use.
	refused []error
}

// New makes an operator whose lock runs until ctx ends. config may change the lock; nil: as it is.
func New(ctx context.Context, config func(*locksim.Config)) (*Operator, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	phone, err := locksim.Phone(private)
	if err != nil {
		return nil, err
	}
	if config == nil {
		config = func(*locksim.Config) {}
	}
	return &Operator{ctx: ctx, config: config, store: new(locksim.Memory), phone: phone}, nil
}

// Enrol implements lockconformance.Operator.
func (o *Operator) Enrol(_ context.Context, address, code string) error {
	go func() {
		_, err := locksim.Enroll(o.ctx, o.store, address, code)
		o.mu.Lock()
		defer o.mu.Unlock()
		if err == nil {
			err = o.run()
		}
		if err != nil {
			o.refused = append(o.refused, err)
		}
	}()
	return nil
}

// Refused is what came of the claim codes that the lock did not use, or of its start.
func (o *Operator) Refused() []error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.refused
}

// run starts the lock. mu is held.
func (o *Operator) run() error {
	c := locksim.Config{
		Store: o.store, Sensors: true, BackoffMin: 10 * time.Millisecond, BackoffMax: 50 * time.Millisecond, RefusedWait: 100 * time.Millisecond,
	}
	o.config(&c)
	lock, err := locksim.Open(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(o.ctx)
	done := make(chan struct{})
	go func() { defer close(done); lock.Run(ctx) }()
	o.lock, o.stop = lock, func() { cancel(); <-done }
	return nil
}

var errNone = errors.New("no lock is enrolled")

// with does something with the lock.
func (o *Operator) with(do func(*locksim.Lock)) error {
	o.mu.Lock()
	lock := o.lock
	o.mu.Unlock()
	if lock == nil {
		return errNone
	}
	do(lock)
	return nil
}

// present does not wait for what comes of it.
func (o *Operator) present(as locksim.Presented) error {
	as.Direction = lockwirev1.Direction_DIRECTION_IN
	return o.with(func(l *locksim.Lock) { go l.PresentAs(o.ctx, as) })
}

// Present implements lockconformance.Operator.
func (o *Operator) Present(context.Context) error {
	return o.present(locksim.Presented{Card: locksim.Wiegand26(17, 4711)})
}

// Type implements lockconformance.Keypad.
func (o *Operator) Type(_ context.Context, digits string, card bool) error {
	as := locksim.Presented{PIN: digits}
	if card {
		as.Card = locksim.Wiegand26(17, 4711)
	}
	return o.present(as)
}

// PresentKey implements lockconformance.Phone.
func (o *Operator) PresentKey(context.Context) error {
	return o.present(locksim.Presented{Key: o.phone})
}

// Door implements lockconformance.Doorway.
func (o *Operator) Door(_ context.Context, open bool) error {
	return o.with(func(l *locksim.Lock) {
		l.SetDoor(func(s *locksim.Sensors) {
			s.RequestToExit, s.Contact = false, lockwirev1.Contact_CONTACT_CLOSED
			if open {
				s.Contact = lockwirev1.Contact_CONTACT_OPEN
			}
		})
	})
}

// Exit implements lockconformance.Doorway.
func (o *Operator) Exit(context.Context) error {
	return o.with(func(l *locksim.Lock) { l.SetDoor(func(s *locksim.Sensors) { s.RequestToExit = true }) })
}

// Boot implements lockconformance.Operator.
func (o *Operator) Boot(context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lock == nil {
		return errNone
	}
	o.stop()
	return o.run()
}

// Close stops the lock.
func (o *Operator) Close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lock != nil {
		o.stop()
		o.lock = nil
	}
}
