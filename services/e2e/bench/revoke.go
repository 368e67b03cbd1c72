package main

import (
	"context"
	"fmt"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/e2e/bench/report"
	"github.com/cardea-mesh/cardea/services/e2e/bench/sample"
	"github.com/cardea-mesh/cardea/services/e2e/bench/system"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// revokes is how many are measured: the p99 is then the second-slowest.
const revokes = 150

// revokeToEnforced revokes a grant and waits until both gateways of the jurisdiction say that they apply it, one after the
// other on an idle system. Floor: one transaction with as many rows, then one event published to the region's stream and
// acknowledged: nobody could know of a revocation sooner.
func (r *run) revokeToEnforced(ctx context.Context) ([]report.Result, error) {
	fleet, err := r.fleet(ctx)
	if err != nil {
		return nil, err
	}
	bare, err := r.newBareRevoke(ctx, fleet.Org)
	if err != nil {
		return nil, err
	}
	defer bare.close(ctx)
	var a, b sample.Series
	for i := range revokes {
		grant, err := fleet.Grant(ctx, fleet.Devices[i%len(fleet.Devices)].Door, fleet.People[i%len(fleet.People)])
		if err != nil {
			return nil, err
		}
		if err := fleet.Enforced(ctx, grant.GetToken()); err != nil {
			return nil, err
		}
		for _, side := range []struct {
			into *sample.Series
			do   func() error
		}{
			{&a, func() error { return revoke(ctx, fleet, grant.GetGrantId()) }},
			{&b, func() error { return bare.revoke(ctx) }},
		} {
			began := time.Now()
			if err := side.do(); err != nil {
				return nil, err
			}
			took := time.Since(began)
			side.into.Add(sample.Series{Took: []time.Duration{took}, Time: took})
		}
	}
	fmt.Printf("  %d revocations: p50 %.1f ms, slowest %.1f ms; floor p50 %.1f ms\n", revokes, a.Quantile(0.5), a.Quantile(1), b.Quantile(0.5))
	return []report.Result{
		report.New("revoke_to_enforced_p99", "ms", a.Quantile(0.99), b.Quantile(0.99), report.Below(50, "ms")),
	}, nil
}

func revoke(ctx context.Context, fleet *system.Fleet, grant string) error {
	done, err := fleet.Permissions.Revoke(ctx, &permissionsv1.RevokeRequest{OrgId: fleet.Org, GrantId: grant})
	if err != nil {
		return err
	}
	return fleet.Enforced(ctx, done.GetToken())
}

// bareRevoke is the floor: a connection to the same database and one to the same broker.
type bareRevoke struct {
	sql *pgx.Conn
	bus *bus.Bus
	org string
	n   int64
}

// Tables of the floors: rows as wide as those of the services, without indexes but the key.
const bareTables = `CREATE TABLE IF NOT EXISTS bench_rows (id BIGSERIAL PRIMARY KEY, kind TEXT NOT NULL, org TEXT NOT NULL, body BYTEA NOT NULL, at TIMESTAMPTZ NOT NULL);
	CREATE TABLE IF NOT EXISTS bench_heads (org TEXT PRIMARY KEY, version BIGINT NOT NULL)`

// owner connects as the owner of a service's schema, who may make the floors' tables, and makes them.
func (r *run) owner(ctx context.Context, service string) (*pgx.ConnConfig, error) {
	parsed, err := r.system.Owner(service)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, parsed)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, bareTables, pgx.QueryExecModeSimpleProtocol)
	return parsed, err
}

func (r *run) newBareRevoke(ctx context.Context, org string) (*bareRevoke, error) {
	owner, err := r.owner(ctx, "permissions")
	if err != nil {
		return nil, err
	}
	b := &bareRevoke{org: org}
	if b.sql, err = pgx.ConnectConfig(ctx, owner); err != nil {
		return nil, err
	}
	if b.bus, err = r.broker(ctx, "permissions"); err != nil {
		return nil, err
	}
	_, err = b.sql.Exec(ctx, `INSERT INTO bench_heads (org, version) VALUES ($1, 0) ON CONFLICT DO NOTHING`, org)
	return b, err
}

// broker connects to the region's broker with the certificate of a service.
func (r *run) broker(ctx context.Context, service string) (*bus.Bus, error) {
	settings, err := r.system.Config(service)
	if err != nil {
		return nil, err
	}
	n := settings.NATS
	return bus.Connect(ctx, bus.Config{
		NATS:   config.NATS{URL: n.URL, CAFile: n.CAFile, CertFile: n.CertFile, KeyFile: n.KeyFile},
		Region: system.Home, Service: service,
	})
}

func (b *bareRevoke) close(ctx context.Context) {
	b.sql.Close(ctx)
	b.bus.Close()
}

// revoke writes what a revocation writes: the head, the grant, the event, and for each region a fact and its head.
func (b *bareRevoke) revoke(ctx context.Context) error {
	err := pgx.BeginTxFunc(ctx, b.sql, pgx.TxOptions{IsoLevel: pgx.Serializable}, func(tx pgx.Tx) error {
		batch := new(pgx.Batch)
		batch.Queue(`UPDATE bench_heads SET version = version + 1 WHERE org = $1`, b.org)
		for _, kind := range []string{"grant", "event", "fact", "head", "fact", "head"} {
			batch.Queue(`INSERT INTO bench_rows (kind, org, body, at) VALUES ($1, $2, $3, now())`, kind, b.org, make([]byte, 200))
		}
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return err
	}
	b.n++
	event := benchEvent("permissions", b.org, b.n)
	return b.bus.PublishEvent(ctx, bus.Subject(event), event)
}

// benchEvent is an event that a ledger takes, of a stream that nobody else writes.
func benchEvent(service, org string, n int64) *typev1.Event {
	now := timestamppb.Now()
	return &typev1.Event{
		Id: string(region.NewID(region.Event, "euc")), SchemaVersion: 1, Region: system.Home, OrgId: org, Service: service,
		Stream: "bench", Version: n, OrgVersion: n, Kind: "bench", Payload: make([]byte, 200), Actor: "bench", OccurredAt: now, RecordedAt: now,
	}
}
