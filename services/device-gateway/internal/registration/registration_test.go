package registration

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// table is a register that can be out of reach.
type table struct {
	away  atomic.Bool
	fresh atomic.Int64
}

var errAway = errors.New("away")

func (t *table) Register(ctx context.Context, id region.ID, _ time.Duration, asOf time.Time) error {
	if asOf.IsZero() {
		asOf = time.Now()
	}
	return t.Fresh(ctx, id, asOf)
}

func (t *table) Fresh(_ context.Context, _ region.ID, asOf time.Time) error {
	if t.away.Load() {
		return errAway
	}
	t.fresh.Store(max(t.fresh.Load(), asOf.UnixNano()))
	return nil
}

func (t *table) Report(context.Context, region.ID, []access.Head) error { return nil }

func start(t *testing.T, dir string, reg *table) *Registration {
	t.Helper()
	r := New(Config{
		Dir: dir, Table: reg, CopyMaxAge: time.Hour, AsOf: time.Now, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	}, "gateway_euc_1")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestToldIsWhatTheTableHas(t *testing.T) {
	dir := t.TempDir()
	var last time.Time
	synctest.Test(t, func(t *testing.T) {
		reg := &table{}
		r := start(t, dir, reg)
		time.Sleep(time.Minute)
		synctest.Wait()
		if age := time.Since(r.Told()); age > freshEvery+lookEvery || r.Told().UnixNano() > reg.fresh.Load() {
			t.Fatalf("told %s ago; the table has %s", age, time.Unix(0, reg.fresh.Load()))
		}
		reg.away.Store(true)
		last = r.Told()
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if !r.Told().Equal(last) {
			t.Fatal("what the table could not be told counts as told")
		}
		reg.away.Store(false)
		time.Sleep(2 * lookEvery)
		synctest.Wait()
		if age := time.Since(r.Told()); age > 2*lookEvery {
			t.Fatalf("the table is back; told %s ago", age)
		}
		last = r.Told()
	})
	reg := &table{}
	reg.away.Store(true)
	if r := start(t, dir, reg); !r.Told().Equal(last) {
		t.Fatalf("after a restart without the table: %s, want %s", r.Told(), last)
	}
}
