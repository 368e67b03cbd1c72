package postgres_test

import (
	"context"
	"sync"
	"testing"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// held keeps the next commits of an organization from beginning: another session has the head's row.
type held struct {
	w    *world
	free func()
	all  sync.WaitGroup
	n    int
}

// hold also lets one commit without effect wait for the head, so that what is submitted next gathers behind it. Its plan
// reads so that its look-ups are the usual ones.
func (w *world) hold(t testing.TB) *held {
	t.Helper()
	tx, err := w.direct.Pool().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT version FROM org_heads WHERE region = $1 AND org = $2 FOR UPDATE`, central, w.org); err != nil {
		t.Fatal(err)
	}
	h := &held{w: w, free: sync.OnceFunc(func() { tx.Rollback(context.WithoutCancel(t.Context())) })}
	t.Cleanup(h.free)
	h.all.Go(func() {
		w.Write(t.Context(), w.plan(), func(context.Context, grants.Tx) error { return nil })
	})
	eventually(t, "the first commit to wait for the head", func() bool {
		return w.count(t, `pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`) > 0
	})
	return h
}

// submit starts one command and returns when it waits in the queue.
func (h *held) submit(t testing.TB, do func()) {
	t.Helper()
	h.n++
	h.all.Go(do)
	eventually(t, "the command to wait", func() bool { return h.w.Waiting() == h.n })
}

// release lets all go on and waits for them.
func (h *held) release() {
	h.free()
	h.all.Wait()
}

// together runs commands as one commit where that is possible, in their order in the queue.
func (w *world) together(t testing.TB, commands ...func() error) []error {
	t.Helper()
	errs := make([]error, len(commands))
	h := w.hold(t)
	for i, do := range commands {
		h.submit(t, func() { errs[i] = do() })
	}
	h.release()
	return errs
}

func person() region.ID { return region.NewID(region.Person, "euc") }
