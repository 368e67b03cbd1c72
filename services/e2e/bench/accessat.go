package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/e2e/bench/report"
	"github.com/cardea-mesh/cardea/services/e2e/bench/sample"
	"github.com/cardea-mesh/cardea/services/e2e/bench/system"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// historians ask about the past at the same time: as many as the machine has processors to answer.
const historians = 2

// accessAt asks who could open a random door, or which doors a random person could open, at a random time of two years, as
// it is known now or as it was known then: the first page. Floor: one row of the grants by its key, over a connection to the
// same database.
func (r *run) accessAt(ctx context.Context) ([]report.Result, error) {
	began := time.Now()
	past, err := r.system.NewHistory(ctx, r.history)
	if err != nil {
		return nil, err
	}
	bytes, err := past.Bytes(ctx)
	if err != nil {
		return nil, err
	}
	fmt.Printf("  %d events since %s (%d keys given, %d taken back, %d joined a group, %d left one) and %d rows of facts: %.1f GB on disk\n",
		past.Events, past.Begin.Format(time.DateOnly), past.Kinds.Keys, past.Kinds.Revocations, past.Kinds.Joined, past.Kinds.Left, past.Rows, float64(bytes)/1e9)
	fmt.Printf("  made in %s: rows by COPY %s, then indexes and statistics %s\n", time.Since(began).Round(time.Second),
		past.Copied.Round(time.Second), past.Settled.Round(time.Second))
	row, closeAll, err := r.oneRow(ctx, past)
	if err != nil {
		return nil, err
	}
	defer closeAll()
	stop, err := r.record("permissions", "access_at")
	if err != nil {
		return nil, err
	}
	defer stop()
	var results []report.Result
	for _, kind := range []string{"door", "person"} {
		asking := &historian{past: past, byDoor: kind == "door"}
		a, b, err := sample.InTurn(ctx, r.plan(historians), asking.ask, row)
		if err != nil {
			return results, err
		}
		fmt.Printf("  by %s: %d questions, %.1f pairs each, p50 %.2f ms, p99 %.2f ms; floor p50 %.2f ms, p99 %.2f ms\n", kind, len(a.Took),
			float64(asking.pairs.Load())/float64(max(1, asking.answers.Load())), a.Quantile(0.5), a.Quantile(0.99), b.Quantile(0.5), b.Quantile(0.99))
		results = append(results, report.New("access_at_p99/"+kind, "ms", a.Quantile(0.99), b.Quantile(0.99), report.Below(50, "ms")))
	}
	return results, nil
}

// historian is safe for concurrent use.
type historian struct {
	past           *system.History
	byDoor         bool
	answers, pairs atomic.Int64
}

func (a *historian) ask(ctx context.Context, _ int) error {
	at := timestamppb.New(a.past.Begin.Add(rand.N(a.past.End.Sub(a.past.Begin))))
	req := &permissionsv1.AccessAtRequest{OrgId: a.past.Org, At: at}
	if rand.IntN(2) == 0 {
		req.KnownAt = at
	}
	if a.byDoor {
		req.DoorId = a.past.Doors[rand.IntN(len(a.past.Doors))]
	} else {
		req.PersonId, req.Region = a.past.People[rand.IntN(len(a.past.People))], system.Home
	}
	got, err := a.past.Permissions.AccessAt(ctx, req)
	if err != nil {
		return err
	}
	a.answers.Add(1)
	a.pairs.Add(int64(len(got.GetAccess())))
	return nil
}

// oneRow reads a random grant.
func (r *run) oneRow(ctx context.Context, past *system.History) (op sample.Op, closeAll func(), err error) {
	conns := make([]*pgx.Conn, historians)
	closeAll = func() {
		for _, c := range conns {
			if c != nil {
				c.Close(ctx)
			}
		}
	}
	for i := range conns {
		if conns[i], err = r.system.SQL(ctx, "permissions", "permissions"); err != nil {
			closeAll()
			return nil, nil, err
		}
	}
	return func(ctx context.Context, worker int) error {
		var target string
		return conns[worker].QueryRow(ctx, `SELECT target_id FROM grants WHERE region = 'eu-central' AND id = $1 ORDER BY version LIMIT 1`,
			past.Grants[rand.IntN(len(past.Grants))]).Scan(&target)
	}, closeAll, nil
}
