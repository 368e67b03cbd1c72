package main

import (
	"context"
	"fmt"

	"github.com/cardea-mesh/cardea/services/e2e/bench/report"
	"github.com/cardea-mesh/cardea/services/e2e/bench/sample"
	"github.com/jackc/pgx/v5"
	"math/rand/v2"
)

// writers write at the same time.
const writers = 64

// grantWrites makes grants in one organization over the API, 64 at a time. Floor: 64 connections to the same database, one
// row in each transaction, SERIALIZABLE as the services' are.
func (r *run) grantWrites(ctx context.Context) ([]report.Result, error) {
	fleet, err := r.fleet(ctx)
	if err != nil {
		return nil, err
	}
	owner, err := r.owner(ctx, "permissions")
	if err != nil {
		return nil, err
	}
	conns := make([]*pgx.Conn, writers)
	for i := range conns {
		if conns[i], err = pgx.ConnectConfig(ctx, owner); err != nil {
			return nil, err
		}
		defer conns[i].Close(ctx)
	}
	ours := func(ctx context.Context, _ int) error {
		_, err := fleet.Grant(ctx, fleet.Devices[rand.IntN(len(fleet.Devices))].Door, fleet.People[rand.IntN(len(fleet.People))])
		return err
	}
	row := func(ctx context.Context, worker int) error {
		return pgx.BeginTxFunc(ctx, conns[worker], pgx.TxOptions{IsoLevel: pgx.Serializable}, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO bench_rows (kind, org, body, at) VALUES ('grant', $1, $2, now())`, fleet.Org, make([]byte, 200))
			return err
		})
	}
	a, b, err := sample.InTurn(ctx, r.plan(writers), ours, row)
	if err != nil {
		return nil, err
	}
	fmt.Printf("  %d grants, p50 %.1f ms, p99 %.1f ms; floor p50 %.1f ms, p99 %.1f ms\n",
		len(a.Took), a.Quantile(0.5), a.Quantile(0.99), b.Quantile(0.5), b.Quantile(0.99))
	return []report.Result{report.New("grant_writes", "1/s", a.PerSecond(), b.PerSecond(), report.AtLeast(5))}, nil
}
