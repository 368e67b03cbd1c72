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

// BenchmarkGrants is 64 writers of one organization, in turn with 64 writers of one row in a transaction of its own on
// the same database (DESIGN, section 11). Slices of a second alternate, since machines drift.
func BenchmarkGrants(b *testing.B) {
	const writers = 64
	made := dbtest.Make(b, dbtest.Options{Schema: permissions.Schema, Sets: permissions.Migrations()})
	db := dbtest.Open(b, database.Config{URL: made.URL, Schema: permissions.Schema, MaxConns: writers + 10})
	w := newWorld(b, db)
	doors := make([]region.ID, 500)
	for i := range doors {
		doors[i] = w.door(b)
	}
	if _, err := dbtest.Open(b, database.Config{URL: made.AdminURL, Schema: permissions.Schema}).Pool().Exec(b.Context(),
		`CREATE TABLE floor_rows (id BIGSERIAL PRIMARY KEY, org TEXT NOT NULL, body BYTEA NOT NULL); GRANT ALL ON floor_rows TO PUBLIC; GRANT ALL ON SEQUENCE floor_rows_id_seq TO PUBLIC`); err != nil {
		b.Fatal(err)
	}
	body := make([]byte, 200)
	row := func(ctx context.Context, _ int64) error {
		return db.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO floor_rows (org, body) VALUES ($1, $2)`, w.org, body)
			return err
		})
	}
	grant := func(ctx context.Context, n int64) error {
		_, err := w.grant(ctx, fmt.Sprint("key", n), grants.Grant{Target: doors[n%int64(len(doors))], Subject: region.NewID(region.Person, "euc")})
		return err
	}
	var ours, floor atomic.Int64
	var tookOurs, tookFloor time.Duration
	version := w.head(b).Version
	for b.Loop() {
		tookOurs += slice(b, writers, &ours, grant)
		tookFloor += slice(b, writers, &floor, row)
	}
	a, f := float64(ours.Load())/tookOurs.Seconds(), float64(floor.Load())/tookFloor.Seconds()
	b.ReportMetric(a, "grants/s")
	b.ReportMetric(f, "rows/s")
	b.ReportMetric(a/f, "ratio")
	b.ReportMetric(float64(ours.Load())/float64(w.head(b).Version-version), "grants/commit")
}

// slice runs do in writers goroutines for a second.
func slice(b *testing.B, writers int, done *atomic.Int64, do func(context.Context, int64) error) time.Duration {
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
