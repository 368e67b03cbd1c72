package drill_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/e2e/drill"
)

var (
	drillFor  = flag.Duration("drill.for", 0, "play new histories for this long; 0: one")
	drillSeed = flag.Uint64("drill.seed", 0, "the first new history's seed; 0: 7, or by the clock with -drill.for")
	shrinkFor = flag.Duration("drill.shrink", 4*time.Minute, "how long a failing history may take to be made small")
)

// TestDrill plays the kept histories, then others: with the kept ones that is a minute without -drill.for. What fails is made small and kept under testdata.
func TestDrill(t *testing.T) {
	w := newWorld(t)
	var all tally
	kept, err := filepath.Glob("testdata/*.json")
	must(t, err)
	for _, path := range kept {
		h, err := drill.Load(path)
		must(t, err)
		failure, err := w.judge(h, &all)
		must(t, err)
		if failure != "" {
			t.Errorf("%s (%s): %s\n%s", path, h.Note, failure, h)
		}
	}
	seed := *drillSeed
	if seed == 0 {
		seed = 7
		if *drillFor > 0 { // a run that looks for something new
			seed = uint64(time.Now().UnixNano() / 1000 % 1e9)
		}
	}
	began := time.Now()
	for i := uint64(0); i == 0 && *drillFor == 0 || time.Since(began) < *drillFor; i++ {
		h := drill.Generate(seed + i)
		t.Logf("seed %d, %s after the start", h.Seed, time.Since(began).Round(time.Second))
		failure, err := w.judge(h, &all)
		must(t, err)
		if failure != "" {
			keep(t, w, h, failure)
			return
		}
	}
	t.Logf("%s", all)
	if all.opened == all.alone || all.alone == 0 || all.refused == 0 || all.enforced == 0 || all.exposed == 0 || all.durable == 0 {
		t.Errorf("nothing was tested: %s", all)
	}
}

// keep makes a failing history small, writes it to testdata and fails the test.
func keep(t *testing.T, w *world, h drill.History, failure string) {
	t.Helper()
	t.Errorf("seed %d fails: %s\n%s", h.Seed, failure, h)
	ctx, cancel := context.WithTimeout(t.Context(), *shrinkFor)
	defer cancel()
	small := drill.Shrink(ctx, h, func(_ context.Context, h drill.History) bool { return w.fails(h, false) })
	small.Note = failure
	path := filepath.Join("testdata", fmt.Sprintf("seed-%d.json", h.Seed))
	must(t, os.MkdirAll("testdata", 0o755))
	must(t, small.Save(path))
	t.Errorf("kept with %d of %d steps as %s:\n%s", small.Steps(), h.Steps(), path, small)
}

// fails plays a history twice before it says that it passes. One that could not begin shows nothing.
func (w *world) fails(h drill.History, lies bool) bool {
	for range 2 {
		r, err := w.play(h, lies)
		switch {
		case errors.Is(err, errSetUp):
			w.t.Log(err)
		case err != nil || len(drill.Check(r)) > 0 || len(drill.CheckLedger(r)) > 0:
			return true
		}
	}
	return false
}

// judge plays a history and says what is wrong; empty: nothing. The error is errSetUp.
func (w *world) judge(h drill.History, all *tally) (failure string, err error) {
	r, err := w.play(h, false)
	if errors.Is(err, errSetUp) {
		return "", fmt.Errorf("seed %d: %w", h.Seed, err)
	}
	all.add(r)
	found := drill.Check(r)
	switch {
	case len(found) > 0:
		return fmt.Sprintf("%d unlocks against the rule, the first: %s", len(found), found[0]), nil
	case err != nil:
		return err.Error(), nil
	}
	if wrong := drill.CheckLedger(r); len(wrong) > 0 {
		return fmt.Sprintf("%d things are wrong with the ledger, the first: %s", len(wrong), wrong[0]), nil
	}
	return "", nil
}

// tally is what histories came to.
type tally struct{ histories, presented, opened, alone, refused, taken, enforced, exposed, durable int }

func (a *tally) add(r *drill.Record) {
	a.histories++
	a.presented += r.Presented
	a.opened += len(r.Unlocks)
	a.refused += r.Refused
	a.taken += len(r.Takings)
	a.enforced += len(r.Enforced)
	a.durable += len(r.Durable)
	for _, u := range r.Unlocks {
		if u.Alone {
			a.alone++
		}
	}
	for _, e := range r.Enforced {
		a.exposed += len(e.Exposed)
	}
}

func (a tally) String() string {
	return fmt.Sprintf("%d histories: %d cards presented, %d opened (%d alone), %d refused by a gateway; %d revocations, %d answers that one is enforced, %d locks listed as exposed; %d events in the ledger",
		a.histories, a.presented, a.opened, a.alone, a.refused, a.taken, a.enforced, a.exposed, a.durable)
}

// TestADrillCanFail: when somebody says "enforced" too early, the drill finds it, and makes the history small.
func TestADrillCanFail(t *testing.T) {
	w := newWorld(t)
	h := drill.History{Ticks: [][]drill.Step{
		{{Do: drill.Swipe, A: 1, B: 1, N: 2}, {Do: drill.Reboot, A: 3}},
		{{Do: drill.StopBroker}, {Do: drill.Issue, A: 2}},
		{{Do: drill.Leave, A: 2}, {Do: drill.Swipe, A: 2, B: 0, N: 1}},
		{{Do: drill.Revoke, A: 0}},
		{{Do: drill.Swipe, A: 0, B: 0, N: 1}},
		{{Do: drill.StartBroker}},
	}}
	if r, err := w.play(h, false); err != nil || len(drill.Check(r)) > 0 {
		t.Fatalf("the truth fails: %v, %v", err, drill.Check(r))
	}
	if !w.fails(h, true) {
		t.Fatal("a lie was not found")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	small := drill.Shrink(ctx, h, func(_ context.Context, h drill.History) bool { return w.fails(h, true) })
	if small.Steps() > 3 {
		t.Fatalf("%d steps are left:\n%s", small.Steps(), small)
	}
	t.Logf("%s", small)
}
