package journal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"pgregory.net/rapid"
)

// errLost is what the caller hears of a message that was lost, and of one whose acknowledgement was.
var errLost = errors.New("lost")

// lossy is a broker on a bad line: it loses messages, and acknowledgements of messages that it stored. What was sent later may
// get through.
type lossy struct {
	mu     sync.Mutex // guards what follows
	random *rand.Rand
	left   int            // losses to come
	under  map[string]int // on their way, by device
	most   int            // of all devices at once
	stored []string       // first sightings
	seen   map[string]bool
	early  string // the first event that was sent while one before it was on its way
}

func (b *lossy) publish(_ context.Context, e *typev1.Event) (func(context.Context) error, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.under[e.GetStream()]++; b.under[e.GetStream()] > 1 && b.early == "" {
		b.early = e.GetId()
	}
	flying := 0
	for _, n := range b.under {
		flying += n
	}
	b.most = max(b.most, flying)
	var err error
	lost := false
	if b.left > 0 && b.random.IntN(3) == 0 {
		b.left--
		err, lost = errLost, b.random.IntN(2) == 0
	}
	if !lost && !b.seen[e.GetId()] {
		b.seen[e.GetId()] = true
		b.stored = append(b.stored, e.GetId())
	}
	return func(context.Context) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.under[e.GetStream()]--
		return err
	}, nil
}

// TestEventsOfADeviceStayInOrderWhateverIsLost: messages and acknowledgements get lost anywhere in a window.
func TestEventsOfADeviceStayInOrderWhateverIsLost(t *testing.T) {
	root, run := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		b := &lossy{
			random: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)), left: rapid.IntRange(0, 8).Draw(t, "losses"),
			under: map[string]int{}, seen: map[string]bool{},
		}
		devices, each := rapid.IntRange(1, 5).Draw(t, "devices"), uint64(rapid.IntRange(1, 12).Draw(t, "events of each"))
		window := rapid.IntRange(1, 4).Draw(t, "window")
		j, stop := start(t, Config{Dir: filepath.Join(root, fmt.Sprint(run)), Publish: b.publish, Window: window, SegmentBytes: 200})
		defer stop()
		for n := uint64(1); n <= each; n += 3 {
			for d := range devices {
				if err := j.Append(context.Background(), entries(name(d), 1, n, min(n+2, each))...); err != nil {
					t.Fatalf("%v", err)
				}
			}
		}
		for d := range devices {
			awaitDurable(t, j, name(d), 1, each)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.early != "" {
			t.Fatalf("%s was sent while an earlier event of its device was on its way", b.early)
		}
		if len(b.stored) != devices*int(each) || b.most > window {
			t.Fatalf("%d stored of %d, %d on their way of %d", len(b.stored), devices*int(each), b.most, window)
		}
		next := map[string]uint64{}
		for _, id := range b.stored {
			device := id[:2]
			next[device]++
			if want := entry(device, 1, next[device]).Event.GetId(); id != want {
				t.Fatalf("%s came where %s was due: %v", id, want, b.stored)
			}
		}
	})
}

func name(device int) string { return fmt.Sprintf("d%d", device) }

// TestADeviceThatWaitsHoldsUpNoOther: the broker does not answer for one.
func TestADeviceThatWaitsHoldsUpNoOther(t *testing.T) {
	b := newBroker()
	release := make(chan struct{})
	j, stop := start(t, Config{Dir: t.TempDir(), Publish: func(ctx context.Context, e *typev1.Event) (func(context.Context) error, error) {
		wait, err := b.publish(ctx, e)
		if e.GetStream() != "slow" {
			return wait, err
		}
		return func(ctx context.Context) error {
			select {
			case <-release:
				return wait(ctx)
			case <-ctx.Done():
				return ctx.Err()
			}
		}, err
	}})
	defer stop()
	if err := j.Append(t.Context(), append(entries("slow", 1, 1, 3), entries("d", 1, 1, 5)...)...); err != nil {
		t.Fatal(err)
	}
	awaitDurable(t, j, "d", 1, 5)
	if n := j.Durable("slow", 1, 1); n != 0 {
		t.Fatalf("durable %d", n)
	}
	close(release)
	awaitDurable(t, j, "slow", 1, 3)
}
