package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"pgregory.net/rapid"
)

// broker is a fake of the region's broker: it keeps each id once, as a consumer does, and can be down.
type broker struct {
	mu   sync.Mutex
	down bool
	// loseAcks: it stores and does not say so.
	loseAcks bool
	ids      []string
	seen     map[string]int
	changed  chan struct{}
}

func newBroker() *broker { return &broker{seen: map[string]int{}, changed: make(chan struct{}, 1)} }

func (b *broker) publish(_ context.Context, e *typev1.Event) (func(context.Context) error, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return nil, errors.New("broker down")
	}
	if b.seen[e.GetId()]++; b.seen[e.GetId()] == 1 {
		b.ids = append(b.ids, e.GetId())
	}
	select {
	case b.changed <- struct{}{}:
	default:
	}
	lost := b.loseAcks
	return func(context.Context) error {
		if lost {
			return errors.New("no acknowledgement")
		}
		return nil
	}, nil
}

func (b *broker) set(down, loseAcks bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down, b.loseAcks = down, loseAcks
}

func (b *broker) await(t failer, n int) []string {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		b.mu.Lock()
		ids := append([]string(nil), b.ids...)
		b.mu.Unlock()
		if len(ids) >= n {
			return ids
		}
		select {
		case <-b.changed:
		case <-deadline:
			t.Fatalf("the broker has %d events, wanted %d", len(ids), n)
		}
	}
}

type failer interface {
	Helper()
	Fatalf(string, ...any)
}

func entry(device string, epoch, sequence uint64) Entry {
	return Entry{Epoch: epoch, Sequence: sequence, Event: &typev1.Event{Id: fmt.Sprintf("%s.%d.%d", device, epoch, sequence), Stream: device}}
}

func entries(device string, epoch, from, to uint64) []Entry {
	var out []Entry
	for n := from; n <= to; n++ {
		out = append(out, entry(device, epoch, n))
	}
	return out
}

// start opens a journal and runs it; stop ends it.
func start(t failer, cfg Config) (*Journal, func()) {
	t.Helper()
	cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	cfg.Retry = 10 * time.Millisecond
	j, err := Open(cfg)
	if err != nil {
		t.Fatalf("%v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); j.Run(ctx) }()
	return j, func() { cancel(); <-done }
}

func awaitDurable(t failer, j *Journal, device string, epoch, want uint64) {
	t.Helper()
	changed, stop := j.Watch(device)
	defer stop()
	deadline := time.After(time.Minute)
	for j.Durable(device, epoch, 1) < want {
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("durable mark is %d, wanted %d", j.Durable(device, epoch, 1), want)
		}
	}
}

func TestAppendIsReceivedThenDurable(t *testing.T) {
	b := newBroker()
	b.set(true, false)
	j, stop := start(t, Config{Dir: t.TempDir(), Publish: b.publish})
	defer stop()
	if err := j.Append(t.Context(), entries("d", 1, 1, 3)...); err != nil {
		t.Fatal(err)
	}
	if r, d := j.Received("d", 1, 1), j.Durable("d", 1, 1); r != 3 || d != 0 {
		t.Fatalf("with the broker down: received %d, durable %d", r, d)
	}
	b.set(false, false)
	awaitDurable(t, j, "d", 1, 3)
	if got := fmt.Sprint(b.await(t, 3)); got != "[d.1.1 d.1.2 d.1.3]" {
		t.Fatal(got)
	}
}

func TestStoredButNotAcknowledgedIsNotDurable(t *testing.T) {
	b := newBroker()
	b.set(false, true)
	j, stop := start(t, Config{Dir: t.TempDir(), Publish: b.publish})
	defer stop()
	if err := j.Append(t.Context(), entries("d", 1, 1, 2)...); err != nil {
		t.Fatal(err)
	}
	if ids := b.await(t, 1); len(ids) != 1 || j.Durable("d", 1, 1) != 0 {
		t.Fatalf("without an acknowledgement: durable %d, sent %v", j.Durable("d", 1, 1), ids)
	}
	b.set(false, false)
	awaitDurable(t, j, "d", 1, 2)
}

func TestAfterACrashEverythingAcknowledgedIsDelivered(t *testing.T) {
	for name, tail := range map[string][]byte{
		"clean tail":       nil,
		"torn header":      {0, 0},
		"torn payload":     {0, 0, 0, 200, 1, 2, 3, 4, 5},
		"absurd length":    {255, 255, 255, 255, 0, 0, 0, 0, 9, 9},
		"wrong checksum":   {0, 0, 0, 1, 0, 0, 0, 0, 9},
		"zeros after that": make([]byte, 4096),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			down := newBroker()
			down.set(true, false)
			j, stop := start(t, Config{Dir: dir, Publish: down.publish, SegmentBytes: 100})
			for n := uint64(1); n <= 20; n++ {
				if err := j.Append(t.Context(), entry("d", 1, n)); err != nil {
					t.Fatal(err)
				}
			}
			crashed := crash(t, dir, tail)
			stop()

			b := newBroker()
			j, stop = start(t, Config{Dir: crashed, Publish: b.publish})
			defer stop()
			ids := b.await(t, 20)
			for i, id := range ids {
				if want := fmt.Sprintf("d.1.%d", i+1); id != want {
					t.Fatalf("place %d: %s, want %s", i, id, want)
				}
			}
			if r := j.Received("d", 1, 1); r != 20 {
				t.Fatalf("received %d", r)
			}
			if err := j.Append(t.Context(), entries("d", 1, 15, 21)...); err != nil {
				t.Fatal(err)
			}
			awaitDurable(t, j, "d", 1, 21)
			if ids := b.await(t, 21); len(ids) != 21 {
				t.Fatalf("%d events", len(ids))
			}
		})
	}
}

// crash is what a kill at this moment leaves: a copy of the files, with a tail on the newest segment.
func crash(t *testing.T, dir string, tail []byte) string {
	t.Helper()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(copied, "*.log"))
	if err != nil || len(logs) == 0 {
		t.Fatal("no segments", err)
	}
	f, err := os.OpenFile(logs[len(logs)-1], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(tail); err != nil {
		t.Fatal(err)
	}
	return copied
}

func TestDeliveredSegmentsGoAwayAndARestartRepeatsNothing(t *testing.T) {
	dir := t.TempDir()
	b := newBroker()
	j, stop := start(t, Config{Dir: dir, Publish: b.publish, SegmentBytes: 200})
	for n := uint64(1); n <= 50; n++ {
		if err := j.Append(t.Context(), entry("d", 1, n)); err != nil {
			t.Fatal(err)
		}
	}
	awaitDurable(t, j, "d", 1, 50)
	stop()
	again := newBroker()
	j, stop = start(t, Config{Dir: dir, Publish: again.publish})
	if err := j.Append(t.Context(), entry("d", 2, 1)); err != nil {
		t.Fatal(err)
	}
	if ids := again.await(t, 1); ids[0] != "d.2.1" {
		t.Fatalf("delivered again: %v", ids)
	}
	stop()
	logs, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	if len(logs) > 2 {
		t.Fatalf("%d segments are left", len(logs))
	}
}

// full is a file on a disk without room.
type full struct {
	file
	mu   *sync.Mutex
	full *bool
}

func (f full) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if *f.full {
		n, _ := f.file.Write(b[:len(b)/2])
		return n, errors.New("no space left on device")
	}
	return f.file.Write(b)
}

func TestAFullDiskReceivesNothingAndThenGoesOn(t *testing.T) {
	var mu sync.Mutex
	var isFull bool
	b := newBroker()
	cfg := Config{Dir: t.TempDir(), Publish: b.publish}
	cfg.create = func(path string) (file, error) {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		return full{f, &mu, &isFull}, err
	}
	j, stop := start(t, cfg)
	defer stop()
	if err := j.Append(t.Context(), entry("d", 1, 1)); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	isFull = true
	mu.Unlock()
	if err := j.Append(t.Context(), entry("d", 1, 2)); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("on a full disk: %v", err)
	}
	if r := j.Received("d", 1, 1); r != 1 {
		t.Fatalf("received %d", r)
	}
	mu.Lock()
	isFull = false
	mu.Unlock()
	if err := j.Append(t.Context(), entries("d", 1, 2, 3)...); err != nil {
		t.Fatal(err)
	}
	awaitDurable(t, j, "d", 1, 3)
	if got := fmt.Sprint(b.await(t, 3)); got != "[d.1.1 d.1.2 d.1.3]" {
		t.Fatal(got)
	}
}

func TestWhatWasNeverSeenIsNeverReceivedOrDurable(t *testing.T) {
	dir := t.TempDir()
	b := newBroker()
	j, stop := start(t, Config{Dir: dir, Publish: b.publish})
	if err := j.Append(t.Context(), entries("d", 1, 5, 6)...); err != nil {
		t.Fatal(err)
	}
	b.await(t, 2)
	stop()
	j, stop = start(t, Config{Dir: dir, Publish: b.publish})
	defer stop()
	if r, d := j.Received("d", 1, 1), j.Durable("d", 1, 1); r != 0 || d != 0 {
		t.Fatalf("of 1 to 4, which never came, received %d, durable %d", r, d)
	}
	if r := j.Received("d", 1, 5); r != 6 && r != 4 { // 4: delivered and forgotten
		t.Fatalf("5 and 6 are received up to %d", r)
	}
	if err := j.Append(t.Context(), entries("d", 1, 1, 6)...); err != nil {
		t.Fatal(err)
	}
	awaitDurable(t, j, "d", 1, 6)
	if ids := b.await(t, 6); len(ids) != 6 {
		t.Fatalf("%v", ids)
	}
}

// TestRunsAreASet holds runs against a map.
func TestRunsAreASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r runs
		has := map[uint64]bool{}
		for _, n := range rapid.SliceOfN(rapid.Uint64Range(1, 100), 0, 100).Draw(t, "sequences") {
			r = r.add(n)
			has[n] = true
		}
		for n := uint64(1); n <= 101; n++ {
			want := n - 1
			for has[want+1] {
				want++
			}
			if got := r.from(n); got != want {
				t.Fatalf("from %d to %d, wanted %d, of %v", n, got, want, r)
			}
		}
	})
}

func TestRunsForgetTheLowestFirst(t *testing.T) {
	var r runs
	for n := uint64(1); n <= 3*runsKept; n += 2 {
		r = r.add(n)
	}
	if len(r) != runsKept || r.from(3*runsKept-1) != 3*runsKept-1 || r.from(1) != 0 {
		t.Fatalf("%d runs, %v", len(r), r)
	}
}

func TestTooMuchWaitingIsRefused(t *testing.T) {
	b := newBroker()
	b.set(true, false)
	j, stop := start(t, Config{Dir: t.TempDir(), Publish: b.publish, MaxBytes: 100})
	defer stop()
	var err error
	for n := uint64(1); n <= 20 && err == nil; n++ {
		err = j.Append(t.Context(), entry("d", 1, n))
	}
	if !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
}

// TestARingResentInAnyPiecesIsDeliveredOnceInOrder plays a lock that resends pieces of its ring as it likes, over
// restarts of the journal and acknowledgements that get lost.
func TestARingResentInAnyPiecesIsDeliveredOnceInOrder(t *testing.T) {
	root := t.TempDir()
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		b := newBroker()
		cfg := Config{Dir: filepath.Join(root, fmt.Sprint(run)), Publish: b.publish, SegmentBytes: 150}
		j, stop := start(t, cfg)
		defer func() { stop() }()
		ring := uint64(rapid.IntRange(1, 30).Draw(t, "ring"))
		sent := uint64(0)
		for sent < ring {
			first := uint64(rapid.IntRange(1, int(sent)+1).Draw(t, "first"))
			last := uint64(rapid.IntRange(int(first), int(ring)).Draw(t, "last"))
			b.set(false, rapid.Bool().Draw(t, "acknowledgements get lost"))
			if err := j.Append(context.Background(), entries("d", 1, first, last)...); err != nil {
				t.Fatalf("%v", err)
			}
			sent = max(sent, last)
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				stop()
				j, stop = start(t, cfg)
			}
		}
		b.set(false, false)
		// A restart forgets what was delivered long ago: the lock sends from the oldest that it does not know as durable.
		if err := j.Append(context.Background(), entries("d", 1, 1, ring)...); err != nil {
			t.Fatalf("%v", err)
		}
		awaitDurable(t, j, "d", 1, ring)
		for i, id := range b.await(t, int(ring)) {
			if want := fmt.Sprintf("d.1.%d", i+1); id != want {
				t.Fatalf("place %d: %s, want %s", i, id, want)
			}
		}
	})
}

func TestManyAppendersShareTheDisk(t *testing.T) {
	b := newBroker()
	j, stop := start(t, Config{Dir: t.TempDir(), Publish: b.publish})
	defer stop()
	var wg sync.WaitGroup
	for d := range 16 {
		wg.Go(func() {
			device := fmt.Sprintf("d%d", d)
			for n := uint64(1); n <= 20; n++ {
				if err := j.Append(t.Context(), entry(device, 1, n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.await(t, 320)
	for d := range 16 {
		awaitDurable(t, j, fmt.Sprintf("d%d", d), 1, 20)
	}
}
