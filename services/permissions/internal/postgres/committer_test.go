package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cardea-mesh/cardea/services/permissions"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

func newDB(t testing.TB) *database.DB {
	return dbtest.New(t, permissions.Schema, permissions.Migrations()...)
}

func TestManyWritersShareCommitsAndEachGetsItsOwn(t *testing.T) {
	t.Parallel()
	const writers, each = 64, 4
	w := newWorld(t, newDB(t))
	var mu sync.Mutex
	var told []int64
	w.Store = newStore(t, w.direct, func(org region.ID, home region.Name, version int64) {
		mu.Lock()
		defer mu.Unlock()
		if org != w.org || home != central {
			t.Errorf("told of %s in %s", org, home)
		}
		told = append(told, version)
	})
	door := w.door(t)
	before := w.head(t).Version
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			for n := range each {
				out, err := w.grant(t.Context(), fmt.Sprint(i, "-", n), grants.Grant{Target: door, Subject: person()})
				if err != nil {
					t.Error(err)
				} else if w.count(t, `grants WHERE id = $1 AND version = $2 AND superseded_at IS NULL`, out.GetGrantId(), out.GetToken().GetVersion()) != 1 {
					t.Errorf("%s is not there as it was answered", out.GetGrantId())
				}
			}
		})
	}
	all.Wait()
	commits := int(w.head(t).Version - before)
	if commits < 1 || commits >= writers*each {
		t.Fatalf("%d commits for %d grants", commits, writers*each)
	}
	if n := w.count(t, `events WHERE kind = 'grant_created' AND org = $1`, w.org); n != writers*each {
		t.Errorf("%d events for %d grants", n, writers*each)
	}
	if n := w.count(t, `(SELECT DISTINCT org_version FROM events WHERE org = $1 AND org_version > $2) v`, w.org, before); n != commits {
		t.Errorf("events of %d versions, %d were made", n, commits)
	}
	mu.Lock()
	defer mu.Unlock()
	for i, version := range told {
		if version != told[0]+int64(i) {
			t.Fatalf("told of the versions %v", told)
		}
	}
	if int64(len(told)) != w.head(t).Version-told[0]+1 {
		t.Errorf("told of %d versions from %d to %d", len(told), told[0], w.head(t).Version)
	}
	eventually(t, "the queue to end", func() bool { return w.Working() == 0 })
}

func TestACommandThatFailsLeavesItsNeighboursAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newDB(t))
	door, group, inner := w.door(t), w.group(t, central), w.group(t, central)
	before := w.head(t).Version
	grant := func(target, subject region.ID) func() error {
		return func() error {
			_, err := w.grant(t.Context(), string(person()), grants.Grant{Target: target, Subject: subject})
			return err
		}
	}
	add := func(group, member region.ID) func() error {
		return func() error { _, err := w.member(t.Context(), true, group, member); return err }
	}
	// Fails after it has written, without having read: what it wrote must not stay.
	regret := errors.New("regret")
	late := func() error {
		return w.Write(t.Context(), w.plan(), func(ctx context.Context, tx grants.Tx) error {
			if _, err := w.CreateGrant(ctx, tx, grants.Grant{Org: w.org, Target: door, Subject: person()}); err != nil {
				return err
			}
			return regret
		})
	}
	// As above, but what it wrote has reached the database.
	later := func() error {
		return w.Write(t.Context(), w.plan(), func(ctx context.Context, tx grants.Tx) error {
			if _, err := w.CreateGroup(ctx, tx, central, grants.Group{Org: w.org, Name: "Gone"}); err != nil {
				return err
			}
			return regret
		})
	}
	errs := w.together(t, grant(door, person()), grant(region.NewID(region.Door, "euc"), person()), add(group, inner), add(inner, group),
		late, grant(door, person()), later, grant(door, "person_euc_\x00"), grant(door, person()))
	want := []error{nil, grants.ErrNotFound, nil, grants.ErrCycle, regret, nil, regret, database.ErrText, nil}
	for i, err := range errs {
		if !errors.Is(err, want[i]) {
			t.Errorf("command %d: %v, want %v", i, err, want[i])
		}
	}
	if n := w.count(t, `grants`); n != 3 {
		t.Errorf("%d grants, want 3", n)
	}
	if n := w.count(t, `groups`); n != 2 {
		t.Errorf("%d groups, want 2", n)
	}
	if n := w.count(t, `idempotency WHERE method = 'Grant'`); n != 3 {
		t.Errorf("%d keys are kept, want 3", n)
	}
	if n := w.count(t, `events WHERE org_version > $1`, before); n != 4 {
		t.Errorf("%d events, want 4", n)
	}
	if got := w.head(t).Version; got != before+1 {
		t.Errorf("%d commits, want one", got-before)
	}
}

func TestACommandThatBreaksTheTransactionGetsItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newDB(t))
	door := w.door(t)
	first, err := w.grant(t.Context(), "", grants.Grant{Target: door, Subject: person()})
	if err != nil {
		t.Fatal(err)
	}
	good := func() error {
		_, err := w.grant(t.Context(), "", grants.Grant{Target: door, Subject: person()})
		return err
	}
	write := func(fn func(context.Context, grants.Tx, grants.Commit) error) func() error {
		return func() error {
			return w.Write(t.Context(), w.plan(), func(ctx context.Context, tx grants.Tx) error {
				c, err := tx.Commit(ctx, central, w.org)
				if err != nil {
					return err
				}
				return fn(ctx, tx, c)
			})
		}
	}
	site := grants.Site{ID: region.NewID(region.Site, "euc"), Org: w.org, Name: "Site", TimeZone: "UTC"}
	twice := write(func(ctx context.Context, tx grants.Tx, c grants.Commit) error { // a statement of its own, that fails
		return errors.Join(tx.AddSite(ctx, c, site), tx.AddSite(ctx, c, site))
	})
	taken := write(func(ctx context.Context, tx grants.Tx, c grants.Commit) error { // known at the end only
		known, err := tx.Grant(ctx, w.org, region.ID(first.GetGrantId()))
		known.Subject = person()
		return errors.Join(err, tx.AddGrant(ctx, c, known)) // a second one from the same moment on
	})
	dropped := write(func(ctx context.Context, tx grants.Tx, c grants.Commit) error {
		_ = tx.AddSite(ctx, c, grants.Site{ID: w.site + "\x00", Org: w.org})
		return nil
	})
	errs := w.together(t, good, twice, good, taken, good, dropped, good)
	for i, err := range errs {
		if bad := i%2 == 1; (err != nil) != bad {
			t.Errorf("command %d: %v", i, err)
		}
	}
	for _, i := range []int{1, 3} {
		if name, is := database.Constraint(errs[i]); !is {
			t.Errorf("command %d: %v is about no constraint, %q", i, errs[i], name)
		}
	}
	if n := w.count(t, `grants`); n != 5 {
		t.Errorf("%d grants, want 5", n)
	}
}

func TestARepetitionInTheSameCommitIsAnsweredTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newDB(t))
	door, subject := w.door(t), person()
	var answers [4]string
	ask := func(i int, subject region.ID) func() error {
		return func() error {
			out, err := w.grant(t.Context(), "once", grants.Grant{Target: door, Subject: subject})
			answers[i] = fmt.Sprint(out.GetGrantId(), out.GetToken().GetVersion())
			return err
		}
	}
	errs := w.together(t, ask(0, subject), ask(1, subject), ask(2, person()), ask(3, subject))
	if err := errors.Join(errs[0], errs[1], errs[3]); err != nil || answers[0] != answers[1] || answers[0] != answers[3] {
		t.Errorf("%v, %v", err, answers)
	}
	if !errors.Is(errs[2], idempotency.ErrMismatch) {
		t.Errorf("another body: %v", errs[2])
	}
	if n := w.count(t, `grants`); n != 1 {
		t.Errorf("%d grants", n)
	}
}

func TestOneRowIsWrittenOnceInACommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newDB(t))
	group, member := w.group(t, central), person()
	before := w.head(t).Version
	tokens := make([]grants.Token, 5)
	do := func(i int, in bool) func() error {
		return func() (err error) { tokens[i], err = w.member(t.Context(), in, group, member); return err }
	}
	errs := w.together(t, do(0, true), do(1, true), do(2, false), do(3, false), do(4, true))
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	var versions []int64
	for _, token := range tokens {
		versions = append(versions, token.Version-before)
	}
	// The second finds the member in, the third must wait; the fourth sees the commit before the third, that of the member
	// being in, and waits as well; the fifth finds the member in.
	if want := []int64{1, 1, 2, 2, 1}; !slices.Equal(versions, want) {
		t.Errorf("versions %v, want %v", versions, want)
	}
	if n := w.count(t, `memberships WHERE superseded_at IS NULL AND valid_to IS NULL`); n != 0 {
		t.Errorf("%d are in", n)
	}
	if n := w.count(t, `event_streams WHERE stream = $1 AND version = 3`, group); n != 1 {
		t.Errorf("the group's stream has not the three events")
	}
}

// A command that finds nothing to do must not name a version that nobody makes.
func TestNothingToDoMakesNoCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newDB(t))
	group, member := w.group(t, central), person()
	in, err := w.member(t.Context(), true, group, member)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		again, err := w.member(t.Context(), true, group, member)
		if err != nil || again != in {
			t.Fatalf("%v, %v, want %v", again, err, in)
		}
	}
	if got := w.head(t).Version; got != in.Version {
		t.Fatalf("the head is %d, want %d", got, in.Version)
	}
}

// The group's followers are read for the commit before its commands run, and one of them ends the last reason.
func TestTheLastReasonToFollowEndsInASharedCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newDB(t))
	door, group, foreign := w.door(t), w.group(t, central), region.NewID(region.Person, "use")
	if _, err := w.member(t.Context(), true, group, foreign); err != nil {
		t.Fatal(err)
	}
	made, err := w.grant(t.Context(), "", grants.Grant{Target: door, Subject: group})
	if err != nil {
		t.Fatal(err)
	}
	calls := `outbox WHERE what = 'call' AND target = 'us-east'`
	before := w.count(t, calls)
	errs := w.together(t,
		func() error { _, err := w.member(t.Context(), true, group, person()); return err },
		func() error { _, err := w.revoke(t.Context(), region.ID(made.GetGrantId())); return err })
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := w.count(t, calls) - before; before == 0 || n != 1 {
		t.Errorf("the foreign person's home got %d calls before and %d more, want one that says it is over", before, n)
	}
}

func TestAPanicIsItsCallersAndNobodyElses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newDB(t))
	door := w.door(t)
	good := func() error {
		_, err := w.grant(t.Context(), "", grants.Grant{Target: door, Subject: person()})
		return err
	}
	var caught any
	bad := func() error {
		defer func() { caught = recover() }()
		return w.Write(t.Context(), w.plan(), func(context.Context, grants.Tx) error { panic("a mistake") })
	}
	errs := w.together(t, good, bad, good)
	if errs[0] != nil || errs[2] != nil {
		t.Errorf("the neighbours: %v", errs)
	}
	if !strings.Contains(fmt.Sprint(caught), "a mistake") {
		t.Errorf("caught %v", caught)
	}
}

func TestACommandInsideACommandIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newDB(t))
	err := w.Write(t.Context(), w.plan(), func(ctx context.Context, _ grants.Tx) error {
		return w.Write(ctx, w.plan(), func(context.Context, grants.Tx) error { return nil })
	})
	if !errors.Is(err, database.ErrNested) {
		t.Fatalf("got %v", err)
	}
}
