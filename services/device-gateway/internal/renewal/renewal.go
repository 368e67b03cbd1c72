// Package renewal gives enrolled devices certificates with new keys, and ends the old key once the new one was used.
//
// A Desk bounds how many requests work on the database at once; the rest are refused with ErrBusy. That a new key was used is kept in
// memory and told to the database until it took it: when this process ends before, the next session with that key tells it again. A
// Desk is safe for concurrent use.
package renewal

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cardea-mesh/cardea/services/device-gateway/internal/enroll"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// ErrBusy: too many renewals are under way; come back later.
var ErrBusy = errors.New("too many renewals are under way")

// Table keeps devices' keys. postgres.Store is one.
type Table interface {
	// Renew signs the next key; asked again with the same key it does so again.
	Renew(ctx context.Context, r enroll.Renewal) (certificate []byte, err error)
	// Promote makes the next key the only one. device.ErrKeyEnded and device.ErrNotFound are for good, any other error is not.
	Promote(ctx context.Context, org, id region.ID, keyHash []byte) error
}

// Config of a Desk; Table, Authority, Now and Logger are required.
type Config struct {
	Table     Table
	Authority *enroll.Authority
	Now       func() time.Time
	Logger    *slog.Logger
	// IssuedBefore makes certificates due that were issued earlier; zero: none are for that. It is how a new root reaches the locks.
	IssuedBefore time.Time
	// AtOnce is how many renewals may be under way; 0: 16.
	AtOnce int
	// Retry is the first pause after the database did not take that a key was used, and doubles up to a minute; 0: 1 s.
	Retry time.Duration
}

// Desk renews certificates.
type Desk struct {
	cfg    Config
	places chan struct{}
	used   *used
}

// New makes a desk; Run tells the database which keys were used.
func New(cfg Config) *Desk {
	if cfg.AtOnce == 0 {
		cfg.AtOnce = 16
	}
	if cfg.Retry == 0 {
		cfg.Retry = time.Second
	}
	return &Desk{cfg: cfg, places: make(chan struct{}, cfg.AtOnce), used: newUsed()}
}

// Renewed is what the lock gets.
type Renewed struct {
	// Chain is the device's certificate, DER.
	Chain [][]byte
	// Roots replace those that the lock has, DER.
	Roots [][]byte
}

// Renew signs a new key for a device. Errors: ErrBusy, enroll.ErrBadRequest, device.ErrKeyEnded, device.ErrNotFound; after any other it may be
// tried again with the same key.
func (d *Desk) Renew(ctx context.Context, r enroll.Renewal) (Renewed, error) {
	select {
	case d.places <- struct{}{}:
		defer func() { <-d.places }()
	default:
		return Renewed{}, ErrBusy
	}
	certificate, err := d.cfg.Table.Renew(ctx, r)
	if err != nil {
		return Renewed{}, err
	}
	return Renewed{Chain: [][]byte{certificate}, Roots: d.cfg.Authority.RootsDER()}, nil
}

// Due says whether a device should get a new certificate now: less than a third of its time is left, or it was issued before
// the configured moment.
func (d *Desk) Due(id enroll.Identity) bool {
	left, whole := id.NotAfter.Sub(d.cfg.Now()), id.NotAfter.Sub(id.NotBefore)
	return left < whole/3 || id.NotBefore.Before(d.cfg.IssuedBefore)
}
