package run_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/run"
)

var errBroken = errors.New("broken")

func untilDone(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func group(ctx context.Context) *run.Group { return run.New(ctx, slog.New(slog.DiscardHandler)) }

func TestTheFirstErrorStopsAllAndIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := group(t.Context())
		g.Go("other", untilDone)
		g.Go("broken", func(context.Context) error { time.Sleep(time.Second); return errBroken })
		g.Go("late", func(ctx context.Context) error { <-ctx.Done(); return errors.New("later") })
		err := g.Wait()
		if !errors.Is(err, errBroken) || strings.Contains(err.Error(), "later") || !strings.HasPrefix(err.Error(), "broken: ") {
			t.Fatalf("got %v", err)
		}
	})
}

func TestAPanicIsAnErrorWithItsStack(t *testing.T) {
	g := group(t.Context())
	g.Go("other", untilDone)
	g.Go("careless", func(context.Context) error { panic("oh") })
	err := g.Wait()
	if err == nil || !strings.Contains(err.Error(), "careless: panic: oh") || !strings.Contains(err.Error(), "run_test.go") {
		t.Fatalf("got %v", err)
	}
}

func TestTheEndOfTheContextIsNoError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	g := group(ctx)
	g.Go("part", untilDone)
	cancel()
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestPartsThatAllReturnEndTheGroup(t *testing.T) {
	g := group(t.Context())
	stopped := false
	g.OnStop("hook", func(context.Context) error { stopped = true; return nil })
	g.Go("part", func(context.Context) error { return nil })
	if err := g.Wait(); err != nil || !stopped {
		t.Fatalf("%v, hook ran: %v", err, stopped)
	}
}

func TestHooksRunInReverseAndAllOfThem(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g := group(ctx)
	var order []string
	for _, name := range []string{"database", "nats", "server"} {
		g.OnStop(name, func(ctx context.Context) error {
			if ctx.Err() != nil {
				t.Error("a hook needs a context that still lives")
			}
			order = append(order, name)
			if name == "nats" {
				return errBroken
			}
			return nil
		})
	}
	err := g.Wait()
	if !slices.Equal(order, []string{"server", "nats", "database"}) || !errors.Is(err, errBroken) {
		t.Fatalf("%v, %v", order, err)
	}
}

func TestHooksRunAfterTheParts(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	g := group(ctx)
	drained := false
	g.OnStop("pool", func(context.Context) error {
		if !drained {
			t.Error("the pool was closed under a part that still drains")
		}
		return nil
	})
	g.Go("server", func(ctx context.Context) error { <-ctx.Done(); drained = true; return nil })
	cancel()
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestAPartThatHangsIsNamedAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		g := group(ctx)
		release := make(chan struct{})
		g.Go("deaf", func(context.Context) error { <-release; return nil })
		g.Go("good", untilDone)
		start := time.Now()
		cancel()
		err := g.Wait()
		if !errors.Is(err, run.ErrHang) || !strings.Contains(err.Error(), "deaf") || strings.Contains(err.Error(), "good") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took != run.DrainTimeout {
			t.Errorf("took %v", took)
		}
		close(release)
	})
}

func TestAHookThatHangsIsNamedAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		g := group(ctx)
		release := make(chan struct{})
		g.OnStop("deaf hook", func(context.Context) error { <-release; return nil })
		if err := g.Wait(); !errors.Is(err, run.ErrHang) || !strings.Contains(err.Error(), "deaf hook") {
			t.Errorf("got %v", err)
		}
		close(release)
	})
}
