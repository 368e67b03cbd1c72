package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/e2e/bench/report"
	"github.com/cardea-mesh/cardea/services/e2e/bench/sample"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
)

// ledgerEvents are appended in one sample.
const ledgerEvents = 10_000

// ledgerAppend publishes events to the region's stream while audit is held, lets it go, and waits until it has them all in
// the organization's chain: what is measured is the way from the broker's disk into the ledger. Publishing is not; it is
// several times slower than that on the same two cores, and would hide it. Floor: the same events' bytes by one COPY, into a table with a key and no
// other index, of the same database.
func (r *run) ledgerAppend(ctx context.Context) ([]report.Result, error) {
	tenant, err := r.system.NewTenant(ctx, "ledger")
	if err != nil {
		return nil, err
	}
	broker, err := r.broker(ctx, "device-gateway")
	if err != nil {
		return nil, err
	}
	defer broker.Close()
	ledger, err := r.system.SQL(ctx, "audit", "audit")
	if err != nil {
		return nil, err
	}
	defer ledger.Close(ctx)
	owner, err := r.owner(ctx, "audit")
	if err != nil {
		return nil, err
	}
	bare, err := pgx.ConnectConfig(ctx, owner)
	if err != nil {
		return nil, err
	}
	defer bare.Close(ctx)
	audit, err := r.system.PID("audit")
	if err != nil {
		return nil, err
	}
	before, err := settled(ctx, ledger, tenant.Org)
	if err != nil {
		return nil, err
	}
	var a, b sample.Series
	for range r.rounds {
		events := make([]*typev1.Event, ledgerEvents)
		for i := range events {
			events[i] = benchEvent("device-gateway", tenant.Org, int64(i))
		}
		began := time.Now()
		err := held(audit, func() error { return publish(ctx, broker, events) })
		if err != nil {
			return nil, err
		}
		published := time.Now()
		before += ledgerEvents
		if err := reach(ctx, ledger, tenant.Org, before); err != nil {
			return nil, err
		}
		took := time.Since(published)
		a.Add(sample.Series{Took: make([]time.Duration, ledgerEvents), Time: took})
		fmt.Printf("  %d events: published in %s, then in the ledger after %s\n", ledgerEvents, published.Sub(began).Round(time.Millisecond), took.Round(time.Millisecond))
		copied, err := copyBytes(ctx, bare, tenant.Org, events)
		if err != nil {
			return nil, err
		}
		b.Add(sample.Series{Took: make([]time.Duration, ledgerEvents), Time: copied})
	}
	return []report.Result{report.New("ledger_append", "1/s", a.PerSecond(), b.PerSecond(), report.AtLeast(0.5))}, nil
}

// held does something while a process of the system is stopped, and lets it go on.
func held(pid int, do func() error) error {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	return errors.Join(do(), syscall.Kill(pid, syscall.SIGCONT))
}

// unanswered is how many publications wait for the broker at a time; its client stalls at 4,000.
const unanswered = 1000

func publish(ctx context.Context, broker *bus.Bus, events []*typev1.Event) error {
	acks := make([]*bus.Ack, 0, len(events))
	for i, e := range events {
		if i >= unanswered {
			if err := acks[i-unanswered].Wait(ctx); err != nil {
				return err
			}
		}
		ack, err := broker.PublishAsync(e)
		if err != nil {
			return err
		}
		acks = append(acks, ack)
	}
	for _, ack := range acks[max(0, len(acks)-unanswered):] {
		if err := ack.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

func size(ctx context.Context, ledger *pgx.Conn, org string) (n int64, err error) {
	err = ledger.QueryRow(ctx, `SELECT coalesce(sum(size), 0)::bigint FROM ledger_heads WHERE org = $1`, org).Scan(&n)
	return n, err
}

// settled waits until the ledger has what the organization's making put there, and returns how much that is.
func settled(ctx context.Context, ledger *pgx.Conn, org string) (int64, error) {
	last, since := int64(-1), time.Now()
	for {
		n, err := size(ctx, ledger, org)
		if err != nil || n == last && time.Since(since) > time.Second {
			return n, err
		}
		if n != last {
			last, since = n, time.Now()
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func reach(ctx context.Context, ledger *pgx.Conn, org string, want int64) error {
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		n, err := size(ctx, ledger, org)
		if err != nil || n >= want {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the ledger has %d of %d entries", n, want)
		}
	}
}

func copyBytes(ctx context.Context, conn *pgx.Conn, org string, events []*typev1.Event) (time.Duration, error) {
	rows := make([][]any, len(events))
	for i, e := range events {
		body, err := proto.Marshal(e)
		if err != nil {
			return 0, err
		}
		rows[i] = []any{e.GetKind(), org, body, e.GetOccurredAt().AsTime()}
	}
	began := time.Now()
	_, err := conn.CopyFrom(ctx, pgx.Identifier{"bench_rows"}, []string{"kind", "org", "body", "at"}, pgx.CopyFromRows(rows))
	return time.Since(began), err
}
