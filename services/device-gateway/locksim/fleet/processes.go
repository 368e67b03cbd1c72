package fleet

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Starter starts a process that calls Part with this configuration and skip. Its reports come from reports; it ends its run
// when stop is called, and wait returns when it has exited.
type Starter func(cfg Config, skip uint64) (reports io.Reader, stop func(), wait func() error, err error)

// LiveIn runs a fleet in several processes: each has a part of the locks, and the parts are counted together here.
func LiveIn(ctx context.Context, processes int, cfg Config, start Starter, status io.Writer) (Summary, error) {
	cfg.setDefaults()
	killed, err := begin(cfg.Dir)
	if err != nil {
		return Summary{}, err
	}
	parts := split(cfg, processes)
	all := &parallel{last: make([]Counts, len(parts)), done: make([]bool, len(parts))}
	for i, part := range parts {
		reports, stop, wait, err := start(part, skips(killed))
		if err != nil {
			all.fail(fmt.Errorf("process %d: %w", i, err))
			break
		}
		defer context.AfterFunc(ctx, stop)()
		all.running.Go(func() { all.follow(i, reports, wait) })
	}
	p := newProgress(status, cfg)
	all.watch(p)
	summary := p.summary(len(parts), all.sum())
	return summary, errors.Join(all.err(), end(cfg.Dir, len(parts)), joinAcked(cfg.Acked, parts))
}

// split cuts a fleet into parts of about the same size.
func split(cfg Config, processes int) []Config {
	processes = min(processes, cfg.Locks)
	var parts []Config
	for i := range processes {
		part, from, to := cfg, i*cfg.Locks/processes, (i+1)*cfg.Locks/processes
		part.First, part.Locks, part.Ramp = cfg.First+from, to-from, cfg.Ramp/float64(processes)
		if part.Acked != "" {
			part.Acked = fmt.Sprintf("%s.%d", cfg.Acked, i)
		}
		parts = append(parts, part)
	}
	return parts
}

// parallel is several processes as seen from the one that started them.
type parallel struct {
	running sync.WaitGroup
	mu      sync.Mutex
	last    []Counts // guarded by mu
	done    []bool   // guarded by mu
	failed  error    // guarded by mu
}

func (a *parallel) follow(i int, reports io.Reader, wait func() error) {
	in := bufio.NewReaderSize(reports, 1<<16)
	decoder := json.NewDecoder(in)
	for {
		var r report
		if err := decoder.Decode(&r); err != nil {
			break
		}
		a.mu.Lock()
		a.last[i], a.done[i] = r.Counts, r.Done
		a.mu.Unlock()
	}
	err := wait()
	a.mu.Lock()
	done := a.done[i]
	a.last[i].Connected = 0
	a.mu.Unlock()
	if err != nil || !done {
		a.fail(fmt.Errorf("process %d ended early, its last counts may be missing: %w", i, err))
	}
}

// watch reports each second until all have ended.
func (a *parallel) watch(p *progress) {
	ended := make(chan struct{})
	go func() { a.running.Wait(); close(ended) }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
			p.report(a.sum())
		}
	}
}

func (a *parallel) sum() Counts {
	a.mu.Lock()
	defer a.mu.Unlock()
	total := Counts{Errors: map[string]int64{}}
	for _, c := range a.last {
		total = total.plus(c)
	}
	return total
}

func (a *parallel) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed = errors.Join(a.failed, err)
}

func (a *parallel) err() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.failed
}

// joinAcked makes one file of the parts'.
func joinAcked(path string, parts []Config) error {
	if path == "" {
		return nil
	}
	var all []Acked
	for _, part := range parts {
		some, err := ReadAcked(part.Acked)
		if err != nil {
			return err
		}
		all = append(all, some...)
	}
	if err := writeLines(path, all); err != nil {
		return err
	}
	for _, part := range parts {
		if err := os.Remove(part.Acked); err != nil {
			return err
		}
	}
	return nil
}
