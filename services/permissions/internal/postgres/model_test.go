package postgres_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"
)

// Commands that share commits leave what they leave one by one, in the order in which they ran: the same answers, rows,
// events, and facts for the doors.
func TestSharedCommitsAreAsOneByOne(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	people := []region.ID{person(), region.NewID(region.Person, "use")}
	nowhere := region.NewID(region.Door, "euc")
	rapid.Check(t, func(rt *rapid.T) {
		shared, alone := newTown(t, newWorld(t, db), people, nowhere), newTown(t, newWorld(t, db), people, nowhere)
		number := 0
		for range rapid.IntRange(1, 3).Draw(rt, "commits") {
			ops := rapid.SliceOfN(genOp, 1, 10).Draw(rt, "commands")
			got, order := shared.together(t, number, ops)
			want := alone.oneByOne(t, number, ops, order)
			for i := range ops {
				if got[i] != want[i] {
					rt.Fatalf("command %d, %v: shared %s, alone %s; they ran as %v", i, ops[i], got[i], want[i], order)
				}
			}
			number += len(ops)
		}
		for what, query := range pictures {
			if got, want := shared.picture(t, query), alone.picture(t, query); !slices.Equal(got, want) {
				rt.Fatalf("%s:\nshared\n%s\nalone\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	})
}

// pictures are what must be the same, without the commits' versions and times.
var pictures = map[string]string{
	"grants":         `SELECT concat_ws(' ', id, subject_id, target_id, revoked, valid_to IS NULL, superseded_at IS NULL) FROM grants WHERE org = $1`,
	"members":        `SELECT concat_ws(' ', group_id, member_id, valid_to IS NULL, superseded_at IS NULL) FROM memberships WHERE org = $1`,
	"events":         `SELECT concat_ws(' ', stream, version, kind) FROM events WHERE org = $1`,
	"follow reasons": `SELECT concat_ws(' ', region, subject_id, follower_region, reason, held) FROM follow_reasons WHERE org = $1`,
	"facts": `SELECT DISTINCT ON (target, name) concat_ws(' ', target, name, removed) FROM outbox
		WHERE org = $1 AND what = 'state' AND name NOT LIKE '%.head.%' ORDER BY target, name, org_version DESC, ordinal DESC`,
	"calls": `SELECT concat_ws(' ', target, name) FROM outbox WHERE org = $1 AND what = 'call'`,
}

// op is one command; what its numbers mean depends on its kind.
type op struct {
	Kind string
	A, B int
}

var genOp = rapid.Custom(func(t *rapid.T) op {
	return op{
		Kind: rapid.SampledFrom([]string{"grant", "grant", "revoke", "revoke", "add", "add", "remove", "regret"}).Draw(t, "kind"),
		A:    rapid.IntRange(0, 7).Draw(t, "a"), B: rapid.IntRange(0, 7).Draw(t, "b"),
	}
})

var errRegret = errors.New("regret")

// town is a world with names for what is in it.
type town struct {
	*world
	doors, groups, subjects []region.ID
	made                    []region.ID // grants, in the order of their commands
	names                   []string    // pairs for a replacer
}

func newTown(t testing.TB, w *world, people []region.ID, nowhere region.ID) *town {
	in := &town{world: w, doors: []region.ID{w.door(t), nowhere}}
	in.groups = []region.ID{w.group(t, central), w.group(t, central), w.group(t, west)}
	in.subjects = append(slices.Clone(people), in.groups...)
	in.names = []string{string(w.org), "org", string(w.site), "site"}
	for i, id := range append(slices.Clone(in.doors), in.groups...) {
		in.names = append(in.names, string(id), fmt.Sprint("thing", i))
	}
	return in
}

// run runs one command and says how it went.
func (in *town) run(ctx context.Context, w *world, o op) (string, region.ID) {
	var made region.ID
	var err error
	switch o.Kind {
	case "grant":
		out, failed := w.grant(ctx, "", grants.Grant{Target: in.doors[o.A/7], Subject: in.subjects[o.B%len(in.subjects)]})
		made, err = region.ID(out.GetGrantId()), failed
	case "revoke":
		if len(in.made) == 0 {
			return "nothing to revoke", ""
		}
		_, err = w.revoke(ctx, in.made[o.A%len(in.made)])
	case "regret": // fails after it has written
		m := grants.Membership{Group: in.groups[0], Member: in.subjects[o.B%2]}
		err = w.Write(ctx, grants.Plan{Org: w.org, Home: central, Members: []grants.Membership{m}}, func(ctx context.Context, tx grants.Tx) error {
			w.runs()
			_, err := w.AddMember(ctx, tx, w.org, m, time.Time{})
			return errors.Join(err, errRegret)
		})
	default:
		_, err = w.member(ctx, o.Kind == "add", in.groups[o.A%3], in.subjects[o.B%len(in.subjects)])
	}
	for _, known := range []error{errRegret, grants.ErrNotFound, grants.ErrCycle, grants.ErrTooDeep} {
		if errors.Is(err, known) {
			return known.Error(), ""
		}
	}
	return fmt.Sprint(err), made
}

// together runs commands at the same time. order says in which they ran, as far as their last runs tell.
func (in *town) together(t testing.TB, number int, ops []op) (answers []string, order []int) {
	answers, made, last := make([]string, len(ops)), make([]region.ID, len(ops)), make([]int, len(ops))
	h := in.hold(t)
	clock := 0 // closures of one queue run one after the other, and those of others are not gathered here
	for i, o := range ops {
		mine := *in.world
		mine.ran = func() { clock++; last[i] = clock }
		do := func() { answers[i], made[i] = in.run(t.Context(), &mine, o) }
		if o.Kind == "revoke" && len(in.made) == 0 || (o.Kind == "add" || o.Kind == "remove") && o.A%3 == 2 {
			continue // below
		}
		h.submit(t, do)
	}
	h.release()
	for i, o := range ops { // those of the other region's queue
		if answers[i] == "" {
			mine := *in.world
			mine.ran = func() { clock++; last[i] = clock }
			answers[i], made[i] = in.run(t.Context(), &mine, o)
		}
		order = append(order, i)
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(last[a], last[b]) })
	in.remember(number, made)
	return answers, order
}

func (in *town) oneByOne(t testing.TB, number int, ops []op, order []int) []string {
	answers, made := make([]string, len(ops)), make([]region.ID, len(ops))
	for _, i := range order {
		answers[i], made[i] = in.run(t.Context(), in.world, ops[i])
	}
	in.remember(number, made)
	return answers
}

func (in *town) remember(number int, made []region.ID) {
	for i, id := range made {
		if id != "" {
			in.made = append(in.made, id)
			in.names = append(in.names, string(id), fmt.Sprint("grant", number+i))
		}
	}
}

// picture returns what a query finds, in the town's names.
func (in *town) picture(t testing.TB, query string) []string {
	t.Helper()
	rows, err := in.direct.Pool().Query(t.Context(), query, in.org)
	if err != nil {
		t.Fatal(err)
	}
	names := strings.NewReplacer(in.names...)
	var all []string
	var line string
	if _, err := pgx.ForEachRow(rows, []any{&line}, func() error {
		all = append(all, names.Replace(line))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}
