package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// proxied is a world whose store can lose its connections.
func proxied(t *testing.T) (*world, *dbtest.Proxy) {
	made := dbtest.Make(t, dbtest.Options{Schema: permissions.Schema, Sets: permissions.Migrations()})
	w := newWorld(t, made.DB)
	proxy, url := dbtest.NewProxy(t, made.URL)
	w.Store = newStore(t, dbtest.Open(t, database.Config{URL: url, Schema: permissions.Schema}), nil)
	return w, proxy
}

// grantsOf returns commands that make grants under keys of their own, and may be asked again.
func grantsOf(t *testing.T, w *world, door region.ID, n int) (ask []func() error) {
	for i := range n {
		subject := person()
		ask = append(ask, func() error {
			_, err := w.grant(t.Context(), fmt.Sprint("key", i), grants.Grant{Target: door, Subject: subject})
			return err
		})
	}
	return ask
}

func TestAnUnknownCommitIsUnknownToEachOfItsCommands(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		arrives bool
		want    int
	}{
		"the commit arrived":       {true, 8},
		"the commit never arrived": {false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, proxy := proxied(t)
			ask := grantsOf(t, w, w.door(t), 8)
			before := w.head(t).Version
			h := w.hold(t)
			errs := make([]error, len(ask))
			for i, do := range ask {
				h.submit(t, func() { errs[i] = do() })
			}
			proxy.SetTap(func(sent []byte) ([]byte, bool) {
				switch {
				case !bytes.Contains(bytes.ToLower(sent), []byte("commit")):
					return sent, false
				case c.arrives:
					return sent, true
				}
				return nil, true
			})
			h.release()
			proxy.SetTap(nil)
			for i, err := range errs {
				if !errors.Is(err, database.ErrUnknownOutcome) {
					t.Errorf("command %d: %v", i, err)
				}
			}
			eventually(t, "the outcome", func() bool { return w.count(t, `grants`) == c.want })
			for tries := 0; ; tries++ { // the pool finds its dead connections one by one
				err := errors.Join(w.together(t, ask...)...)
				if err == nil {
					break
				}
				if !errors.Is(err, database.ErrUnavailable) || tries > 20 {
					t.Fatal(err)
				}
			}
			if n := w.count(t, `grants`); n != len(ask) {
				t.Errorf("%d grants after all were asked again, want %d", n, len(ask))
			}
			if n := w.count(t, `events WHERE kind = 'grant_created'`); n != len(ask) {
				t.Errorf("%d events, want %d", n, len(ask))
			}
			if got := w.head(t).Version; got != before+1 {
				t.Errorf("%d commits, want one", got-before)
			}
		})
	}
}

func TestAConnectionLostBeforeTheCommitLeavesNothing(t *testing.T) {
	t.Parallel()
	w, proxy := proxied(t)
	ask := grantsOf(t, w, w.door(t), 8)
	cut := func() error {
		return w.Write(t.Context(), w.plan(), func(context.Context, grants.Tx) error {
			proxy.Cut()
			return nil
		})
	}
	for i, err := range w.together(t, append(ask, cut)...) {
		if !errors.Is(err, database.ErrUnavailable) || errors.Is(err, database.ErrUnknownOutcome) {
			t.Errorf("command %d: %v", i, err)
		}
	}
	if n := w.count(t, `grants`) + w.count(t, `idempotency`); n != 0 {
		t.Errorf("%d rows", n)
	}
	proxy.Restore()
	eventually(t, "the store to come back", func() bool { return ask[0]() == nil })
}

func TestACallerMayLeave(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newDB(t))
	door := w.door(t)
	ctx, cancel := context.WithCancel(t.Context())
	var queued, running, kept error
	h := w.hold(t) // a commit waits for the head already
	h.submit(t, func() { _, queued = w.grant(ctx, "", grants.Grant{Target: door, Subject: person()}) })
	cancel()
	eventually(t, "the caller to be gone", func() bool { return w.Waiting() == 0 })
	h.release()
	if !errors.Is(queued, context.Canceled) || errors.Is(queued, database.ErrUnknownOutcome) {
		t.Errorf("in the queue: %v", queued)
	}
	if n := w.count(t, `grants`); n != 0 {
		t.Errorf("%d grants of somebody who left in time", n)
	}

	ctx, cancel = context.WithCancel(t.Context())
	var left sync.WaitGroup
	left.Add(1)
	h = w.hold(t)
	entered := make(chan struct{})
	h.submit(t, func() {
		defer left.Done()
		running = w.Write(ctx, w.plan(door), func(tx context.Context, in grants.Tx) error {
			_, err := w.CreateGrant(tx, in, grants.Grant{Org: w.org, Target: door, Subject: person()})
			select {
			case <-entered:
			default:
				close(entered)
			}
			return err
		})
	})
	block := make(chan struct{})
	h.submit(t, func() {
		kept = w.Write(t.Context(), w.plan(door), func(tx context.Context, in grants.Tx) error {
			<-block
			_, err := w.CreateGrant(tx, in, grants.Grant{Org: w.org, Target: door, Subject: person()})
			return err
		})
	})
	h.free()
	<-entered
	cancel()
	left.Wait() // does not wait for the commit
	close(block)
	h.release()
	if !errors.Is(running, context.Canceled) || !errors.Is(running, database.ErrUnknownOutcome) || kept != nil {
		t.Errorf("in a commit: %v; its neighbour: %v", running, kept)
	}
	if n := w.count(t, `grants`); n != 2 {
		t.Errorf("%d grants, want both: the commit went on", n)
	}
}

func TestTwoInstancesWriteOneOrganization(t *testing.T) {
	t.Parallel()
	const writers, each = 16, 10
	made := dbtest.Make(t, dbtest.Options{Schema: permissions.Schema, Sets: permissions.Migrations()})
	one := newWorld(t, made.DB)
	two := *one
	two.Store = newStore(t, dbtest.Open(t, database.Config{URL: made.URL, Schema: permissions.Schema}), nil)
	door := one.door(t)
	before := one.head(t).Version
	var all sync.WaitGroup
	start := time.Now()
	for i := range writers {
		for name, w := range map[string]*world{"one": one, "two": &two} {
			all.Go(func() {
				for n := range each {
					key := fmt.Sprint(name, i, "-", n)
					if n%2 == 0 {
						key = fmt.Sprint("both", i, "-", n) // asked of both instances, made once
					}
					if _, err := w.grant(t.Context(), key, grants.Grant{Target: door, Subject: subjectOf(key)}); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
			})
		}
	}
	all.Wait()
	want := writers*each/2 + writers*each
	if n := one.count(t, `grants`); n != want {
		t.Errorf("%d grants, want %d", n, want)
	}
	if n := one.count(t, `(SELECT DISTINCT org_version FROM events WHERE org_version > $1) v`, before); n != int(one.head(t).Version-before) {
		t.Errorf("events of %d versions, %d were made", n, one.head(t).Version-before)
	}
	t.Logf("%d grants in %d commits, %s", want, one.head(t).Version-before, time.Since(start).Round(time.Millisecond))
}

// subjectOf is a person that is always the same for a key.
func subjectOf(key string) region.ID {
	subjects.Lock()
	defer subjects.Unlock()
	if subjects.of[key] == "" {
		subjects.of[key] = person()
	}
	return subjects.of[key]
}

var subjects = struct {
	sync.Mutex
	of map[string]region.ID
}{of: map[string]region.ID{}}

// Commands of both regions' queues that need the other region's head as well: they lock the heads in one order.
func TestCommitsOfTwoRegionsDoNotWaitInACircle(t *testing.T) {
	t.Parallel()
	made := dbtest.Make(t, dbtest.Options{Schema: permissions.Schema, Sets: permissions.Migrations()})
	one := newWorld(t, made.DB)
	two := *one
	dbs := []*database.DB{dbtest.Open(t, database.Config{URL: made.URL, Schema: permissions.Schema}), dbtest.Open(t, database.Config{URL: made.URL, Schema: permissions.Schema})}
	one.Store, two.Store = newStore(t, dbs[0], nil), newStore(t, dbs[1], nil)
	both := func(w *world, homes ...region.Name) error {
		return w.Write(t.Context(), grants.Plan{Org: w.org, Home: homes[0]}, func(ctx context.Context, tx grants.Tx) error {
			for _, home := range homes {
				if _, err := w.CreateGroup(ctx, tx, home, grants.Group{Org: w.org, Name: "Group"}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	one.group(t, west)
	before := one.deadlocks(t)
	var all sync.WaitGroup
	for _, w := range []*world{one, &two} {
		for range 8 {
			all.Go(func() {
				for range 5 {
					if err := errors.Join(both(w, central, west), both(w, west, central)); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	all.Wait()
	if n := one.count(t, `groups`); n != 1+2*8*5*4 {
		t.Errorf("%d groups, want %d", n, 1+2*8*5*4)
	}
	for _, db := range dbs {
		db.Close() // a session counts its deadlocks at its end
	}
	eventually(t, "the sessions to end", func() bool {
		return one.count(t, `pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state IS NOT NULL`) <= int(made.DB.Pool().Stat().TotalConns())-1
	})
	if n := one.deadlocks(t) - before; n != 0 {
		t.Errorf("%d times the database had to resolve a deadlock", n)
	}
}

func (w *world) deadlocks(t *testing.T) (n int) {
	t.Helper()
	if err := w.direct.Pool().QueryRow(t.Context(), `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
