package renewal

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cardea-mesh/cardea/services/device-gateway/internal/device"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// maxRetry is the longest pause between two tries to reach the database.
const maxRetry = time.Minute

// key is a next key that opened a session.
type key struct {
	org  region.ID
	hash string
}

// used are the keys that the database was not told of yet: one for each device.
type used struct {
	mu   sync.Mutex
	keys map[region.ID]key // by device; guarded by mu
	more chan struct{}
}

func newUsed() *used { return &used{keys: map[region.ID]key{}, more: make(chan struct{}, 1)} }

// Used notes that a device's next key opened a session: the current one is to end. It does not block.
func (d *Desk) Used(org, id region.ID, keyHash []byte) {
	d.used.mu.Lock()
	d.used.keys[id] = key{org, string(keyHash)}
	d.used.mu.Unlock()
	select {
	case d.used.more <- struct{}{}:
	default:
	}
}

// Run tells the database of used keys until ctx ends.
func (d *Desk) Run(ctx context.Context) error {
	pause := d.cfg.Retry
	for {
		again := d.promoteAll(ctx)
		var timer <-chan time.Time
		if again {
			timer = time.After(pause)
			pause = min(2*pause, maxRetry)
		} else {
			pause = d.cfg.Retry
		}
		select {
		case <-ctx.Done():
			return nil
		case <-d.used.more:
			if again { // the database is away: what is new waits with the rest
				select {
				case <-ctx.Done():
					return nil
				case <-timer:
				}
			}
		case <-timer:
		}
	}
}

// promoteAll tells of all that wait; again: some are left, since the database cannot be reached.
func (d *Desk) promoteAll(ctx context.Context) (again bool) {
	d.used.mu.Lock()
	todo := make(map[region.ID]key, len(d.used.keys))
	for id, k := range d.used.keys {
		todo[id] = k
	}
	d.used.mu.Unlock()
	for id, k := range todo {
		err := d.cfg.Table.Promote(ctx, k.org, id, []byte(k.hash))
		final := errors.Is(err, device.ErrKeyEnded) || errors.Is(err, device.ErrNotFound)
		if err != nil && !final {
			if ctx.Err() == nil {
				d.cfg.Logger.WarnContext(ctx, "a device's old key cannot be ended yet, trying again", "device", string(id), "error", err)
			}
			return true
		}
		if final {
			d.cfg.Logger.WarnContext(ctx, "a device's new key is not its key any more", "device", string(id), "error", err)
		}
		d.used.forget(id, k)
	}
	return false
}

// forget drops a key that the database knows of, unless another took its place.
func (u *used) forget(id region.ID, k key) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.keys[id] == k {
		delete(u.keys, id)
	}
}
