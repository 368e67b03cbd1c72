// Package registration makes a gateway count: it is in the table before it accepts a lock, and says there how far its copy
// of the access state is, so that a commit can be known to be enforced.
//
// Order matters: registered first, then locks; applied versions are reported after they are applied and on disk, so a
// report is never ahead of what the gateway does. A gateway stops counting when the table has not heard for copy_max_age that its
// copy is fresh; so it must itself not decide for longer than that after the last time it told the table (Told), whatever its own
// broker says: a region that is cut off has a broker that says nothing new. With the database down a gateway that was registered before goes on; one
// that never was waits, because nobody would count it.
//
// A Registration is safe for concurrent use.
package registration

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"golang.org/x/sync/errgroup"
)

const (
	idFile         = "gateway_id"
	registeredFile = "registered"
	toldFile       = "told"
	// freshEvery is how far what the table knows of the copy's freshness may be behind; lookEvery is how often that is looked at.
	freshEvery = 10 * time.Second
	lookEvery  = time.Second
	retryMin   = 100 * time.Millisecond
	retryMax   = 5 * time.Second
	// maxReport is how many versions one statement reports.
	maxReport = 1000
)

// Table is where gateways are registered.
type Table interface {
	Register(ctx context.Context, id region.ID, copyMaxAge time.Duration, asOf time.Time) error
	Fresh(ctx context.Context, id region.ID, asOf time.Time) error
	Report(ctx context.Context, id region.ID, heads []access.Head) error
}

// Config of a Registration; everything is required.
type Config struct {
	Dir        string
	Own        region.Region
	Regions    *region.Map
	Table      Table
	CopyMaxAge time.Duration
	// AsOf is how fresh the copy is.
	AsOf func() time.Time
	// Now is the table's clock as well.
	Now    func() time.Time
	Logger *slog.Logger
}

// Registration is one gateway's.
type Registration struct {
	cfg Config
	id  region.ID
	// told is the freshness that the table has, at least, in Unix nanoseconds; 0: none.
	told atomic.Int64

	mu    sync.Mutex
	dirty map[place]access.Head // applied and not reported; guarded by mu
	wake  chan struct{}
}

type place struct{ org, service, region string }

// Identity returns the id that a state folder has, or gives it a new one of the region.
func Identity(dir string, own region.Region, regions *region.Map) (region.ID, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("gateway's identity: %w", err)
	}
	path := filepath.Join(dir, idFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		id := region.NewID(region.Gateway, own.Code)
		return id, writeFile(path, string(id)+"\n")
	}
	if err != nil {
		return "", fmt.Errorf("gateway's identity: %w", err)
	}
	id, err := regions.Parse(strings.TrimSpace(string(text)), region.Gateway)
	if err != nil {
		return "", fmt.Errorf("gateway's identity in %s: %w", path, err)
	}
	if id.Code() != own.Code {
		return "", fmt.Errorf("%s has a gateway of another region: %s", path, id)
	}
	return id, nil
}

// New makes the registration of a gateway id.
func New(cfg Config, id region.ID) *Registration {
	r := &Registration{cfg: cfg, id: id, dirty: map[place]access.Head{}, wake: make(chan struct{}, 1)}
	r.recall()
	return r
}

// Told is how fresh the table knows the copy to be, or fresher; zero: it was never told.
func (r *Registration) Told() time.Time {
	told := r.told.Load()
	if told == 0 {
		return time.Time{}
	}
	return time.Unix(0, told)
}

// recall reads what an earlier process told. A note that is lost or old makes the copy too old sooner, which is safe.
func (r *Registration) recall() {
	text, err := os.ReadFile(filepath.Join(r.cfg.Dir, toldFile))
	if err != nil {
		return
	}
	if at, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(string(text))); err == nil {
		r.told.Store(at.UnixNano())
	}
}

// noteTold is called once the table has it.
func (r *Registration) noteTold(asOf time.Time) {
	if asOf.IsZero() || !asOf.After(r.Told()) {
		return
	}
	r.told.Store(asOf.UnixNano())
	if err := writeFile(filepath.Join(r.cfg.Dir, toldFile), asOf.UTC().Format(time.RFC3339Nano)+"\n"); err != nil {
		r.cfg.Logger.Warn("cannot note what the table was told; after a restart without it the copy is too old sooner", "error", err)
	}
}

// Applied takes versions to report. It does not block.
func (r *Registration) Applied(heads []access.Head) {
	r.mu.Lock()
	for _, h := range heads {
		p := place{h.Org, h.Service, h.Region}
		if waiting, ok := r.dirty[p]; !ok || h.Version > waiting.Version || h.Version == waiting.Version && h.Incarnation != "" {
			r.dirty[p] = h
		}
	}
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Ensure returns once the gateway is registered, or was by an earlier process of the same state folder; then the table
// is brought up to date by Run. It waits for a database that is down only where nothing was registered yet.
func (r *Registration) Ensure(ctx context.Context) error {
	marker := filepath.Join(r.cfg.Dir, registeredFile)
	if text, err := os.ReadFile(marker); err == nil && strings.TrimSpace(string(text)) == string(r.id) {
		return nil
	}
	if err := r.retry(ctx, "register", func(ctx context.Context) error { return r.register(ctx) }); err != nil {
		return err
	}
	return writeFile(marker, string(r.id)+"\n")
}

func (r *Registration) register(ctx context.Context) error {
	asOf, began := r.cfg.AsOf(), r.cfg.Now()
	err := r.cfg.Table.Register(ctx, r.id, r.cfg.CopyMaxAge, asOf)
	if err == nil && asOf.IsZero() {
		asOf = began // the table counts from when it was asked
	}
	if err == nil {
		r.noteTold(asOf)
	}
	return err
}

// Run reports until ctx ends.
func (r *Registration) Run(ctx context.Context) error {
	// Again at each start: copy_max_age may have changed, and an operator may have taken this gateway out of the table.
	if r.retry(ctx, "register", r.register) != nil {
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.report(ctx) })
	g.Go(func() error { return r.fresh(ctx) })
	return g.Wait()
}

func (r *Registration) report(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		}
		for heads := r.take(); len(heads) > 0; heads = r.take() {
			if r.retry(ctx, "report applied versions", func(ctx context.Context) error { return r.cfg.Table.Report(ctx, r.id, heads) }) != nil {
				return nil
			}
		}
	}
}

func (r *Registration) take() []access.Head {
	r.mu.Lock()
	defer r.mu.Unlock()
	var heads []access.Head
	for p, h := range r.dirty {
		heads = append(heads, h)
		delete(r.dirty, p)
		if len(heads) == maxReport {
			break
		}
	}
	return heads
}

func (r *Registration) fresh(ctx context.Context) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		asOf := r.cfg.AsOf()
		if asOf.Sub(r.Told()) < freshEvery || asOf.IsZero() {
			continue
		}
		switch err := r.cfg.Table.Fresh(ctx, r.id, asOf); {
		case err == nil:
			r.noteTold(asOf)
		case ctx.Err() == nil:
			r.cfg.Logger.Warn("cannot note the copy's freshness", "error", err)
		}
	}
}

// retry does it until it works or ctx ends, and logs each failure.
func (r *Registration) retry(ctx context.Context, what string, do func(context.Context) error) error {
	for pause := retryMin; ; pause = min(2*pause, retryMax) {
		err := do(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.cfg.Logger.Warn("the gateways table cannot be written, trying again", "what", what, "error", err, "pause", pause)
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
}

// Forget removes the note that this folder's gateway is registered: the next start registers first.
func Forget(dir string) error {
	err := os.Remove(filepath.Join(dir, registeredFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// writeFile writes and syncs a small file.
func writeFile(path, text string) error {
	f, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}
