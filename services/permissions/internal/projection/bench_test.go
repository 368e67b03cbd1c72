package projection_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/permissions/internal/projection"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// town is an organization of 10,000 people, 500 groups nested up to 3, 200 zones, 5,000 doors and 50,000 relations.
type town struct {
	*scribe
	people, groups, zones, doors []region.ID
}

// build writes a town, scale times as large, past the commands: their speed is measured elsewhere.
func build(t testing.TB, db *dbtest.Database, scale int) *town {
	t.Helper()
	x := &town{scribe: newScribe(db.DB)}
	site := id(region.Site)
	x.write(t, central, func(c *commit) { c.site(site) })
	pool, err := pgxpool.New(context.Background(), db.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	rnd := rand.New(rand.NewPCG(1, 2))
	at := time.Now().Add(-time.Minute)
	copyRows := func(table string, columns []string, rows [][]any) {
		for i := range rows {
			rows[i] = append([]any{string(central), string(x.org), int64(1), at, at}, rows[i]...)
		}
		columns = append([]string{"region", "org", "version", "valid_from", "recorded_at"}, columns...)
		if _, err := pool.CopyFrom(context.Background(), pgx.Identifier{"permissions", table}, columns, pgx.CopyFromRows(rows)); err != nil {
			t.Fatalf("%s: %v", table, err)
		}
	}
	many := func(kind region.Kind, n int) (ids []region.ID) {
		for range n * scale {
			ids = append(ids, id(kind))
		}
		return ids
	}
	x.people, x.groups, x.zones, x.doors = many(region.Person, 10_000), many(region.Group, 500), many(region.Zone, 200), many(region.Door, 5_000)
	var doors, zones, zoneDoors, members, lets [][]any
	for _, door := range x.doors {
		doors = append(doors, []any{string(door), string(site), "Door", int64(5000)})
		zoneDoors = append(zoneDoors, []any{string(x.zones[rnd.IntN(len(x.zones))]), string(door)})
	}
	for _, zone := range x.zones {
		zones = append(zones, []any{string(zone), string(site), "Zone"})
	}
	third := len(x.groups) / 3 // top, middle, bottom
	for i, group := range x.groups[third:] {
		members = append(members, []any{string(x.groups[i/third*third+rnd.IntN(third)]), string(group)})
	}
	for _, person := range x.people {
		first := rnd.IntN(len(x.groups))
		for k := range 3 {
			members = append(members, []any{string(x.groups[(first+k*7)%len(x.groups)]), string(person)})
		}
	}
	grant := func(subject, target region.ID) {
		lets = append(lets, []any{string(id(region.Grant)), string(subject), string(target), "", string(site), false})
	}
	for _, group := range x.groups {
		for range 10 {
			grant(group, x.zones[rnd.IntN(len(x.zones))])
		}
	}
	for range 9_500 * scale {
		grant(x.people[rnd.IntN(len(x.people))], x.doors[rnd.IntN(len(x.doors))])
	}
	copyRows("doors", []string{"id", "site_id", "name", "unlock_ms"}, doors)
	copyRows("zones", []string{"id", "site_id", "name"}, zones)
	copyRows("zone_doors", []string{"zone_id", "door_id"}, zoneDoors)
	copyRows("memberships", []string{"group_id", "member_id"}, members)
	copyRows("grants", []string{"id", "subject_id", "target_id", "schedule_id", "site_id", "revoked"}, lets)
	if _, err := pool.Exec(context.Background(), `ANALYZE`); err != nil {
		t.Fatal(err)
	}
	return x
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func BenchmarkTown(b *testing.B) {
	for _, scale := range []int{1, 10} {
		b.Run(fmt.Sprintf("x%d", scale), func(b *testing.B) { benchmarkTown(b, scale) })
	}
}

func benchmarkTown(b *testing.B, scale int) {
	db := newDatabase(b)
	x := build(b, db, scale)
	i := newInstance(b, newStore(b, db.DB), func(c *projection.Config) { c.MaxBytes = 4 << 30 })
	before, began := heap(), time.Now()
	view, err := i.View(b.Context(), x.org, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("load %v, heap %d KiB, estimate %d KiB", time.Since(began).Round(time.Millisecond), (heap()-before)>>10, i.Stats().Bytes>>10)
	rnd := rand.New(rand.NewPCG(3, 4))
	pairs := make([]grants.Question, 4096)
	for n := range pairs {
		pairs[n] = grants.Question{Org: x.org, Door: x.doors[rnd.IntN(len(x.doors))], Person: x.people[rnd.IntN(len(x.people))]}
	}
	b.Run("check", func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			q := pairs[n%len(pairs)]
			view, err := i.View(b.Context(), q.Org, nil)
			if err != nil || q.Decide(view.Facts(), grants.Now(time.Now(), view.Latest())).Reason == 0 {
				b.Fatal(err)
			}
		}
	})
	b.Run("view", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := i.View(b.Context(), x.org, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("first page of doors", func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			listed := 0
			for door := range view.Doors(pairs[n%len(pairs)].Person, "euc", "") {
				q := grants.Question{Door: region.ID(door), Person: pairs[n%len(pairs)].Person}
				if q.Decide(view.Facts(), time.Now()).Reason != policy.ReasonGrant {
					b.Fatal("listed what is not granted")
				}
				if listed++; listed == 100 {
					break
				}
			}
		}
	})
	b.Run("write and pull", func(b *testing.B) {
		b.ReportAllocs()
		var pulling time.Duration
		for n := 0; b.Loop(); n++ {
			token := x.write(b, central, func(c *commit) { c.member(x.groups[0], x.people[n%len(x.people)], n/len(x.people)%2 == 0, time.Time{}) })
			began := time.Now()
			if _, err := i.View(b.Context(), x.org, []grants.Token{token}); err != nil {
				b.Fatal(err)
			}
			pulling += time.Since(began)
		}
		b.ReportMetric(float64(pulling.Nanoseconds())/float64(b.N), "pull-ns/op")
	})
}
