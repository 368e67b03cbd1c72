package journal

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

const (
	// hourLocks doors with hourEvents events each: what an hour brings where somebody passes every 30 seconds, in and out.
	hourLocks, hourEvents = 200, 240
	// eventBytes is about what an access event has, with its receipt.
	eventBytes = 600
)

// heap is what is in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func hourEntry(lock int, n uint64) Entry {
	e := entry(fmt.Sprintf("lock-%d", lock), 1, n)
	e.Event.Payload = []byte(strings.Repeat("x", eventBytes))
	return e
}

// TestAnHourWithoutABroker: events of an hour wait on disk, not in memory, over a restart in the middle; then each is delivered
// once, in the order of its lock.
func TestAnHourWithoutABroker(t *testing.T) {
	b := newBroker()
	b.set(true, false)
	cfg := Config{Dir: t.TempDir(), Publish: b.publish}
	j, stop := start(t, cfg)
	defer func() { stop() }()
	take := func(from, to uint64) {
		t.Helper()
		for n := from; n <= to; n += 8 {
			var batch []Entry
			for lock := range hourLocks {
				for k := n; k < n+8; k++ {
					batch = append(batch, hourEntry(lock, k))
				}
			}
			if err := j.Append(t.Context(), batch...); err != nil {
				t.Fatal(err)
			}
		}
	}
	take(1, 8) // every lock is known
	before := heap()
	take(9, hourEvents/2)
	if held := heap() - before; held > 4<<20 || held > j.Waiting()/3 { // what is read ahead, however much waits
		t.Fatalf("%d bytes of memory for %d that wait", held, j.Waiting())
	}
	stop()
	before = heap()
	j, stop = start(t, cfg)
	if kept := heap() - before; kept > 4<<20 {
		t.Fatalf("a restart holds %d bytes in memory", kept)
	}
	take(hourEvents/2+1, hourEvents)
	if disk := j.Waiting(); disk < hourLocks*hourEvents*eventBytes {
		t.Fatalf("%d bytes wait", disk)
	}
	b.set(false, false)
	next := map[string]uint64{}
	for _, id := range b.await(t, hourLocks*hourEvents) {
		lock, _, _ := strings.Cut(id, ".")
		next[lock]++
		if want := fmt.Sprintf("%s.1.%d", lock, next[lock]); id != want {
			t.Fatalf("%s came where %s was due", id, want)
		}
	}
	for lock := range hourLocks {
		awaitDurable(t, j, fmt.Sprintf("lock-%d", lock), 1, hourEvents)
	}
}

// TestTheLimitIsNotForEver: above MaxBytes locks keep their events; what is delivered makes room.
func TestTheLimitIsNotForEver(t *testing.T) {
	b := newBroker()
	b.set(true, false)
	j, stop := start(t, Config{Dir: t.TempDir(), Publish: b.publish, SegmentBytes: 10_000, MaxBytes: 50_000})
	defer stop()
	n := uint64(0)
	for {
		err := j.Append(t.Context(), hourEntry(0, n+1))
		if errors.Is(err, ErrUnavailable) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if size := j.Waiting(); size < 50_000 || size > 50_000+10_000 {
		t.Fatalf("refused with %d bytes on disk", size)
	}
	b.set(false, false)
	awaitDurable(t, j, "lock-0", 1, n)
	for err := error(ErrUnavailable); err != nil; {
		if err = j.Append(t.Context(), hourEntry(0, n+1)); err != nil && !errors.Is(err, ErrUnavailable) {
			t.Fatal(err)
		}
	}
	awaitDurable(t, j, "lock-0", 1, n+1)
	inOrder(t, b, "lock-0", n+1)
}
