package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"go.opentelemetry.io/otel/metric"
	"golang.org/x/sync/errgroup"
)

// ErrUnavailable: the entries could not be put on disk; the lock keeps them and sends them again.
var ErrUnavailable = errors.New("journal unavailable")

var errStopped = fmt.Errorf("%w: the gateway stops", ErrUnavailable)

// Publish sends an event to the region's broker without waiting. Wait returns nil when the broker has it on disk.
type Publish func(ctx context.Context, event *typev1.Event) (wait func(context.Context) error, err error)

// Config says where a journal is and where it delivers.
type Config struct {
	// Dir is made when it is missing.
	Dir string
	// Publish is required.
	Publish Publish
	// Logger is required.
	Logger *slog.Logger
	// Meter gets what waits and whether anything can be written; default: none.
	Meter metric.MeterProvider
	// SegmentBytes is the size after which a new segment starts; 0: 8 MiB.
	SegmentBytes int64
	// MaxBytes is how much may wait on disk; above it Append answers ErrUnavailable; 0: 4 GiB.
	MaxBytes int64
	// Window is how many events are on their way to the broker at once, each of another device; 0: 256.
	Window int
	// Retry is the longest pause after a failed delivery; 0: 2 s.
	Retry time.Duration

	// create makes a segment's file; tests make one that fails.
	create func(path string) (file, error)
}

// file is what a segment needs of its file.
type file interface {
	Write(b []byte) (int, error)
	Sync() error
	Truncate(size int64) error
	Close() error
}

func (c *Config) setDefaults() {
	if c.SegmentBytes == 0 {
		c.SegmentBytes = 8 << 20
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 4 << 30
	}
	if c.Window == 0 {
		c.Window = 256
	}
	if c.Retry == 0 {
		c.Retry = 2 * time.Second
	}
	if c.create == nil {
		c.create = func(path string) (file, error) {
			return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		}
	}
}

// Journal is the append-only store of one gateway.
type Journal struct {
	cfg     Config
	marks   *marks
	appends chan request
	// stopped is closed when nothing is written any more.
	stopped chan struct{}
	// grown has a value when there may be something to deliver.
	grown chan struct{}

	// mu guards segments: the writer changes them, the deliverer reads and removes.
	mu       sync.Mutex
	segments []segment // oldest first; the last one is being written, unless out is nil

	// The writer's alone: the last segment's file. nil: none could be made, or the last one was given up.
	out file
	// next is the number of the segment after the last; the writer's alone.
	nextSegment uint64

	trouble *trouble

	// cursor is the deliverer's alone: everything before it was delivered.
	cursor      position
	cursorKept  position // what the file says
	cursorSaved time.Time
}

// request is one Append on its way to the writer.
type request struct {
	entries []Entry
	done    chan error
}

// Open reads what an earlier process left, cutting a torn tail, and makes ready to append. Run delivers it. A full disk is no error here:
// Append tries again.
func Open(cfg Config) (*Journal, error) {
	cfg.setDefaults()
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	j := &Journal{cfg: cfg, marks: newMarks(), appends: make(chan request, 1024), stopped: make(chan struct{}), grown: make(chan struct{}, 1), trouble: &trouble{logger: cfg.Logger}}
	if err := j.load(); err != nil {
		return nil, fmt.Errorf("journal %s: %w", cfg.Dir, err)
	}
	if err := j.observe(cfg.Meter); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	return j, nil
}

// Run writes and delivers until ctx ends. Entries not delivered by then are delivered by the next process.
func (j *Journal) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return j.write(ctx) })
	g.Go(func() error { return j.deliver(ctx) })
	return g.Wait()
}

// Append puts entries on disk and returns nil once they are there. Those that are there already are left out. Its error wraps
// ErrUnavailable, also when Run has ended, or is that of ctx: then the entries may be on disk.
func (j *Journal) Append(ctx context.Context, entries ...Entry) error {
	r := request{entries: entries, done: make(chan error, 1)}
	select {
	case j.appends <- r:
	case <-j.stopped:
		return errStopped
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-r.done:
		return err
	case <-j.stopped:
		return errStopped
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Received returns up to where all events of a device's boot epoch, from first on, are on this gateway's disk; first - 1
// when that one is not, or it is not known any more.
func (j *Journal) Received(device string, epoch, first uint64) uint64 {
	return j.marks.receivedFrom(device, epoch, first)
}

// Durable is the same for what the region's broker acknowledged.
func (j *Journal) Durable(device string, epoch, first uint64) uint64 {
	return j.marks.durableFrom(device, epoch, first)
}

// Watch returns a channel that gets a value after more of the device became durable; call stop when done.
func (j *Journal) Watch(device string) (changed <-chan struct{}, stop func()) {
	return j.marks.watch(device)
}

// Waiting is how many bytes are on disk and not delivered; roughly, for metrics.
func (j *Journal) Waiting() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	var sum int64
	for _, s := range j.segments {
		sum += s.size
	}
	return sum
}
