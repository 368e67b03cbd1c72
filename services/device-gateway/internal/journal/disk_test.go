package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// fill makes the kernel answer "no space left on device" for the cursor and for the segments from one number on, until what
// it returns is called. It needs no rights: the names are those of /dev/full.
func fill(t *testing.T, dir string, from int) (free func()) {
	t.Helper()
	names := []string{"cursor.tmp"}
	for n := from; n < from+50; n++ {
		names = append(names, fmt.Sprintf("%012d.log", n))
	}
	for _, name := range names {
		if err := os.Symlink("/dev/full", filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		for _, name := range names {
			if err := os.Remove(filepath.Join(dir, name)); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
	}
}

func gauge(t *testing.T, r *metric.ManualReader, name string) int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := r.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name == name {
				return m.Data.(metricdata.Gauge[int64]).DataPoints[0].Value
			}
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// TestTheKernelSaysFull: nothing is received, the operator hears of it once, what was written before is delivered and goes away,
// and with room again everything goes on.
func TestTheKernelSaysFull(t *testing.T) {
	dir, b, reader := t.TempDir(), newBroker(), metric.NewManualReader()
	log := new(lines)
	j, err := Open(Config{
		Dir: dir, Publish: b.publish, Logger: slog.New(slog.NewTextHandler(log, nil)), SegmentBytes: 300, Retry: 10 * time.Millisecond,
		Meter: metric.NewMeterProvider(metric.WithReader(reader)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); j.Run(ctx) }()
	defer func() { cancel(); <-done }()
	b.set(true, false)
	free := fill(t, dir, 4)
	var n uint64
	for err = nil; err == nil; n++ {
		err = j.Append(t.Context(), entry("d", 1, n+1))
	}
	received := n - 1 // the last one failed
	if !errors.Is(err, ErrUnavailable) || !errors.Is(err, syscall.ENOSPC) || j.Received("d", 1, 1) != received {
		t.Fatalf("%d received of %d: %v", j.Received("d", 1, 1), received, err)
	}
	for range 20 {
		if err := j.Append(t.Context(), entry("d", 1, n)); !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	j.mu.Lock()
	if n := len(j.segments); j.segments[n-1].size == 0 {
		t.Errorf("%d segments, the last one empty: one for each attempt", n)
	}
	j.mu.Unlock()
	if said := strings.Count(log.String(), "cannot write"); said != 1 || !strings.Contains(log.String(), "no space left on device") {
		t.Fatalf("said %d times:\n%s", said, log.String())
	}
	if gauge(t, reader, "cardea.journal.unavailable") != 1 || gauge(t, reader, "cardea.journal.waiting") < int64(received) {
		t.Fatal("the metrics do not say so")
	}
	b.set(false, false)
	awaitDurable(t, j, "d", 1, received) // with the cursor not saved
	awaitFiles(t, dir, 2)
	free()
	if err := j.Append(t.Context(), entries("d", 1, n, n+5)...); err != nil {
		t.Fatal(err)
	}
	awaitDurable(t, j, "d", 1, n+5)
	inOrder(t, b, "d", n+5)
	if gauge(t, reader, "cardea.journal.unavailable") != 0 || !strings.Contains(log.String(), "writes again") {
		t.Fatalf("it does not say that it is over:\n%s", log.String())
	}
}

// awaitFiles waits until no more segments with anything in them are left: they went though the cursor cannot be saved.
func awaitFiles(t *testing.T, dir string, most int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		left := 0
		logs, _ := filepath.Glob(filepath.Join(dir, "*.log"))
		for _, path := range logs {
			if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() && info.Size() > 0 {
				left++
			}
		}
		if left <= most {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d delivered segments are left on a full disk", left)
		}
	}
}

// inOrder wants events 1 to n of the device's first epoch, first sightings in order.
func inOrder(t failer, b *broker, device string, n uint64) {
	t.Helper()
	for i, id := range b.await(t, int(n)) {
		if want := fmt.Sprintf("%s.1.%d", device, i+1); id != want {
			t.Fatalf("place %d: %s, want %s", i, id, want)
		}
	}
}

// TestAJournalOpensOnAFullDisk: a gateway that starts then serves its doors.
func TestAJournalOpensOnAFullDisk(t *testing.T) {
	dir, b := t.TempDir(), newBroker()
	cfg := Config{Dir: dir, Publish: b.publish}
	isFull := true
	cfg.create = func(path string) (file, error) {
		if isFull {
			return nil, &os.PathError{Op: "open", Path: path, Err: syscall.ENOSPC}
		}
		return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	}
	j, stop := start(t, cfg)
	defer stop()
	if err := j.Append(t.Context(), entry("d", 1, 1)); !errors.Is(err, ErrUnavailable) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	isFull = false // the writer reads it next behind the channel of Append
	if err := j.Append(t.Context(), entry("d", 1, 1)); err != nil {
		t.Fatal(err)
	}
	awaitDurable(t, j, "d", 1, 1)
}

// lines is a log that may be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
