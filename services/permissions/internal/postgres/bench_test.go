package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

const writers = 64

// BenchmarkWrites is 64 writers of commands, in turn with 64 writers of one row in a transaction of its own on the same
// database (DESIGN, section 11). Slices of a second alternate, since machines drift. dbtest's server does not sync to disk:
// the commits of both sides are cheaper than in earnest, those of the floor by more.
func BenchmarkWrites(b *testing.B) {
	for _, orgs := range []int{1, 16} {
		b.Run(fmt.Sprintf("grants,organizations=%d", orgs), func(b *testing.B) {
			compare(b, orgs, func(ctx context.Context, w *town, n int64) error {
				_, err := w.grant(ctx, fmt.Sprint("key", n), grants.Grant{Target: w.doors[n%int64(len(w.doors))], Subject: person()})
				return err
			})
		})
	}
	b.Run("grants to groups", func(b *testing.B) {
		compare(b, 1, func(ctx context.Context, w *town, n int64) error {
			_, err := w.grant(ctx, fmt.Sprint("key", n), grants.Grant{Target: w.doors[n%int64(len(w.doors))], Subject: w.groups[n%int64(len(w.groups))]})
			return err
		})
	})
	b.Run("grant and revoke", func(b *testing.B) {
		compare(b, 1, func(ctx context.Context, w *town, n int64) error {
			out, err := w.grant(ctx, "", grants.Grant{Target: w.doors[n%int64(len(w.doors))], Subject: person()})
			if err != nil {
				return err
			}
			_, err = w.revoke(ctx, region.ID(out.GetGrantId()))
			return err
		})
	})
	b.Run("join and leave a group", func(b *testing.B) {
		compare(b, 1, func(ctx context.Context, w *town, n int64) error {
			group, member := w.groups[n%int64(len(w.groups))], person()
			if _, err := w.member(ctx, true, group, member); err != nil {
				return err
			}
			_, err := w.member(ctx, false, group, member)
			return err
		})
	})
}

func compare(b *testing.B, orgs int, do func(ctx context.Context, w *town, n int64) error) {
	made := dbtest.Make(b, dbtest.Options{Schema: permissions.Schema, Sets: permissions.Migrations()})
	db := dbtest.Open(b, database.Config{URL: made.URL, Schema: permissions.Schema, MaxConns: writers + 10})
	towns := make([]*town, orgs)
	for i := range towns {
		w := newWorld(b, db)
		if i > 0 {
			w.Store = towns[0].Store
		}
		towns[i] = &town{world: w}
		for range 100 {
			towns[i].doors = append(towns[i].doors, w.door(b))
			towns[i].groups = append(towns[i].groups, w.group(b, central))
		}
	}
	owner := dbtest.Open(b, database.Config{URL: made.OwnerURL, Schema: permissions.Schema, MaxConns: writers + 10})
	if _, err := owner.Pool().Exec(b.Context(), `CREATE TABLE floor_rows (id BIGSERIAL PRIMARY KEY, org TEXT NOT NULL, body BYTEA NOT NULL)`); err != nil {
		b.Fatal(err)
	}
	body := make([]byte, 200)
	row := func(ctx context.Context, n int64) error {
		return owner.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO floor_rows (org, body) VALUES ($1, $2)`, towns[0].org, body)
			return err
		})
	}
	var ours, floor atomic.Int64
	var tookOurs, tookFloor time.Duration
	version := towns[0].head(b).Version
	for b.Loop() {
		tookOurs += slice(b, &ours, func(ctx context.Context, n int64) error { return do(ctx, towns[n%int64(orgs)], n) })
		tookFloor += slice(b, &floor, row)
	}
	events := towns[0].count(b, `events WHERE org_version > $1 AND kind NOT LIKE '%follow%' AND org = ANY ($2)`, version, orgsOf(towns))
	commits := towns[0].count(b, `(SELECT DISTINCT org, org_version FROM events WHERE org_version > $1 AND org = ANY ($2)) c`, version, orgsOf(towns))
	a, f := float64(events)/tookOurs.Seconds(), float64(floor.Load())/tookFloor.Seconds()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(a, "commands/s")
	b.ReportMetric(f, "rows/s")
	b.ReportMetric(a/f, "ratio")
	b.ReportMetric(float64(events)/float64(commits), "commands/commit")
}

func orgsOf(towns []*town) (orgs []string) {
	for _, t := range towns {
		orgs = append(orgs, string(t.org))
	}
	return orgs
}

// slice runs do in 64 goroutines for a second.
func slice(b *testing.B, done *atomic.Int64, do func(context.Context, int64) error) time.Duration {
	start := time.Now()
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for time.Since(start) < time.Second {
				if err := do(b.Context(), done.Add(1)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return time.Since(start)
}

// BenchmarkJoinAGroup costs the same however many are in the group.
func BenchmarkJoinAGroup(b *testing.B) {
	for _, size := range []int{10, 50_000} {
		b.Run(fmt.Sprintf("members=%d", size), func(b *testing.B) {
			made := dbtest.Make(b, dbtest.Options{Schema: permissions.Schema, Sets: permissions.Migrations()})
			w := newWorld(b, dbtest.Open(b, database.Config{URL: made.URL, Schema: permissions.Schema}))
			group := w.group(b, central)
			w.fillGroup(b, group, size)
			owner := dbtest.Open(b, database.Config{URL: made.OwnerURL, Schema: permissions.Schema})
			if _, err := owner.Pool().Exec(b.Context(), `ANALYZE memberships`); err != nil { // as autovacuum does within a minute
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := w.member(b.Context(), true, group, person()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// fillGroup writes the rows of members who have been in a group since it was made.
func (w *world) fillGroup(t testing.TB, group region.ID, size int) {
	t.Helper()
	members := make([]string, size)
	for i := range members {
		members[i] = string(person())
	}
	_, err := w.direct.Pool().Exec(t.Context(), `INSERT INTO memberships (region, group_id, member_id, version, org, valid_from, recorded_at)
		SELECT g.region, g.id, m.id, g.version, g.org, g.valid_from, g.recorded_at
		FROM groups g, unnest($2::TEXT[]) AS m (id) WHERE g.id = $1`, group, members)
	if err != nil {
		t.Fatal(err)
	}
}
