package database

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// turnWait bounds the wait for a turn. After it the transaction goes on without: the engine still keeps the two apart.
const turnWait = time.Second

// errNotYourTurn ends a run whose result would be thrown away.
var errNotYourTurn = errors.New("database: another transaction of this process is writing the same")

// Turn lets transactions of this process that write one thing go one after the other instead of failing late: the first
// run that finds key taken ends with an error, which fn must return, and InTx runs it again when its turn has come. The
// turn lasts to the transaction's end. It only saves work: nothing may depend on it. ctx is what InTx gave to its closure.
func Turn(ctx context.Context, key string) error {
	if s, ok := ctx.Value(inTx{}).(*state); ok {
		return s.held.claim(key)
	}
	return nil
}

// held is the turns of one InTx. It belongs to its goroutine.
type held struct {
	turns *turns
	keys  []string // asked for
	frees []func() // of those that it got
	// refused: this run was told to end. It is not committed even if fn dropped the error.
	refused bool
}

func (h *held) claim(key string) error {
	if slices.Contains(h.keys, key) {
		return nil // held, or waited for long enough
	}
	h.keys = append(h.keys, key)
	free, ok := h.turns.try(key)
	if !ok {
		h.refused = true
		return errNotYourTurn
	}
	h.frees = append(h.frees, free)
	return nil
}

func (h *held) release() {
	for _, free := range h.frees {
		free()
	}
	h.frees = nil
}

// await takes all turns that earlier runs asked for, before the next one begins and in one order, so that nobody waits in
// a circle.
func (h *held) await(ctx context.Context) {
	h.refused = false
	slices.Sort(h.keys)
	for _, key := range h.keys {
		if free, ok := h.turns.take(ctx, key); ok {
			h.frees = append(h.frees, free)
		}
	}
}

// turns is a mutex for each key that somebody holds or waits for.
type turns struct {
	mu   sync.Mutex // guards keys and the counts in it
	keys map[string]*turn
}

type turn struct {
	users int
	busy  chan struct{} // holds one token while the turn is taken; senders wait in the order of their coming
}

func (t *turns) take(ctx context.Context, key string) (release func(), ok bool) {
	one := t.use(key)
	timer := time.NewTimer(turnWait)
	defer timer.Stop()
	select {
	case one.busy <- struct{}{}:
		return func() { <-one.busy; t.leave(key) }, true
	case <-timer.C:
	case <-ctx.Done():
	}
	t.leave(key)
	return nil, false
}

func (t *turns) try(key string) (release func(), ok bool) {
	one := t.use(key)
	select {
	case one.busy <- struct{}{}:
		return func() { <-one.busy; t.leave(key) }, true
	default:
		t.leave(key)
		return nil, false
	}
}

func (t *turns) use(key string) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.keys[key]
	if one == nil {
		one = &turn{busy: make(chan struct{}, 1)}
		t.keys[key] = one
	}
	one.users++
	return one
}

func (t *turns) leave(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if one := t.keys[key]; one.users == 1 {
		delete(t.keys, key)
	} else {
		one.users--
	}
}
