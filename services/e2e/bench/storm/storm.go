package storm

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Client is one lock: it makes a session on a connection, and says when that ends.
type Client interface {
	// Open greets, until ctx ends; the connection is the client's.
	Open(ctx context.Context, conn net.Conn) error
	// Wait returns when the session ends.
	Wait() error
	Close()
}

// Result says how long it took, from the cut, until half, 99 % and all locks were back, how many attempts were refused, and how much CPU
// time this process took meanwhile, for both sides.
type Result struct {
	Half, Most, All, CPU time.Duration
	Refused              int64
	// Why is how many were refused for each reason, as the clients saw it.
	Why map[string]int64
}

const (
	// backoffMin and backoffMax are those of PROTOCOL.md: a lock waits d/2 to d, where d doubles.
	backoffMin = time.Second
	backoffMax = time.Minute
	// longest is how long a storm may take at most.
	longest = 5 * time.Minute
)

// Run connects all clients, from one moment on, then cuts all connections, times times, and returns what each took; the first result is the
// connecting. patience is how long a client waits for its session; 0: as long as it takes.
func Run(ctx context.Context, network *Network, clients []Client, times int, patience time.Duration) ([]Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	s := &storm{network: network, patience: patience, back: make(chan time.Time, len(clients))}
	defer s.all.Wait()
	defer network.Cut()
	defer cancel()
	for i, c := range clients {
		s.all.Go(func() { s.live(ctx, i, c) })
	}
	var results []Result
	for n := range 1 + times {
		s.forget()
		cut, cpu := time.Now(), cpuTime()
		network.Cut() // there is nothing to cut the first time
		took, err := s.await(ctx, len(clients))
		if err != nil {
			return results, fmt.Errorf("storm %d: %w", n, err)
		}
		slices.SortFunc(took, time.Time.Compare)
		at := func(q float64) time.Duration { return took[int(q*float64(len(took)-1))].Sub(cut) }
		results = append(results, Result{Half: at(0.5), Most: at(0.99), All: at(1), CPU: cpuTime() - cpu, Refused: s.refused.Load(), Why: s.forget()})
	}
	return results, nil
}

type storm struct {
	network  *Network
	patience time.Duration
	back     chan time.Time
	refused  atomic.Int64
	all      sync.WaitGroup

	mu  sync.Mutex
	why map[string]int64 // guarded by mu
}

// await waits until so many sessions were opened.
func (s *storm) await(ctx context.Context, n int) ([]time.Time, error) {
	end := time.NewTimer(longest)
	defer end.Stop()
	var at []time.Time
	for len(at) < n {
		select {
		case t := <-s.back:
			at = append(at, t)
		case <-end.C:
			return at, fmt.Errorf("%d of %d locks are back after %s; %d attempts were refused", len(at), n, longest, s.refused.Load())
		case <-ctx.Done():
			return at, ctx.Err()
		}
	}
	return at, nil
}

// live is a lock's life: it dials until it has a session, and again when that ends.
func (s *storm) live(ctx context.Context, index int, c Client) {
	for wait := backoffMin; ctx.Err() == nil; {
		if !pause(ctx, wait/2+rand.N(wait/2)) {
			return
		}
		if err := s.open(ctx, index, c); err != nil {
			s.failed(err)
			wait = min(2*wait, backoffMax)
			continue
		}
		wait = backoffMin
		s.back <- time.Now()
		c.Wait()
		c.Close()
	}
}

// cpuTime is what this process has taken of its CPUs.
func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u) // fails for no reason that there is
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (s *storm) failed(err error) {
	s.refused.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.why[err.Error()]++
}

// forget begins to count anew, and returns why attempts failed until now.
func (s *storm) forget() map[string]int64 {
	s.refused.Store(0)
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.why
	s.why = map[string]int64{}
	return was
}

func (s *storm) open(ctx context.Context, index int, c Client) error {
	if s.patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.patience)
		defer cancel()
	}
	conn, err := s.network.Dial(ctx, index)
	if err != nil {
		return err
	}
	return c.Open(ctx, conn)
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
