package session

import (
	"context"
	"maps"
	"slices"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

const (
	// leaveWithin is what GoAway gives a lock to leave.
	leaveWithin = time.Second
	// waveEvery, waveLeast and waves say how fast locks are asked to leave: 2,000 a second, or as many more as it takes to have asked all in
	// 4 s. A lock dials the next gateway at once, and that one makes two to three thousand handshakes a second on each of its CPUs.
	waveEvery = 50 * time.Millisecond
	waveLeast = 100
	waves     = 80
)

// Stop asks all locks to leave, in waves, gives them leaveWithin, closes the rest, and returns when all are gone or a second later,
// or when ctx ends. No session starts after it.
func (h *Hub) Stop(ctx context.Context) {
	h.mu.Lock()
	h.stopping = true
	list := slices.Collect(maps.Values(h.sessions))
	h.mu.Unlock()
	inWaves(ctx, list, func(s *session) {
		if s.open.Load() {
			go s.send(&lockwirev1.GoAway{WithinMs: uint32(leaveWithin.Milliseconds())})
		}
	})
	gone := make(chan struct{})
	go func() { h.all.Wait(); close(gone) }()
	select {
	case <-gone:
		return
	case <-ctx.Done():
	case <-time.After(leaveWithin):
	}
	for _, s := range list {
		go s.conn.Close() // says close_notify; a lock that does not read is cut off when ctx of Serve ends
	}
	select {
	case <-gone:
	case <-ctx.Done():
	case <-time.After(leaveWithin):
	}
}

// inWaves does something for all, so that not all begin at one moment; it returns early when ctx ends.
func inWaves[T any](ctx context.Context, all []T, do func(T)) {
	size := max(waveLeast, (len(all)+waves-1)/waves)
	for i, wave := range slices.Collect(slices.Chunk(all, size)) {
		if i > 0 {
			select {
			case <-time.After(waveEvery):
			case <-ctx.Done():
				return
			}
		}
		for _, one := range wave {
			do(one)
		}
	}
}
