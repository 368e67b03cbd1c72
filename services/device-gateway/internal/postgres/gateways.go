package postgres

import (
	"context"
	"fmt"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// Register makes a gateway count, or count again. asOf is how fresh its copy is; zero: it has none, and then none can be
// too old before it is told otherwise.
func (s *Store) Register(ctx context.Context, id region.ID, copyMaxAge time.Duration, asOf time.Time) error {
	now := s.cfg.Now()
	if asOf.IsZero() {
		asOf = now
	}
	return s.cfg.DB.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO gateways (region, id, status, registered_at, fresh_at, copy_max_age_ms)
			VALUES ($1, $2, 'registered', $3, $4, $5)
			ON CONFLICT (region, id) DO UPDATE SET status = 'registered',
				fresh_at = greatest(gateways.fresh_at, excluded.fresh_at),
				copy_max_age_ms = greatest(gateways.copy_max_age_ms, excluded.copy_max_age_ms)`,
			string(s.cfg.Own.Name), string(id), now, asOf, copyMaxAge.Milliseconds())
		return wrap("register gateway", err)
	})
}

// Deregister makes a gateway not count any more: it has closed its sessions and decides nothing.
func (s *Store) Deregister(ctx context.Context, id region.ID) error {
	return s.cfg.DB.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE gateways SET status = 'deregistered' WHERE region = $1 AND id = $2`, string(s.cfg.Own.Name), string(id))
		return wrap("deregister gateway", err)
	})
}

// Fresh notes how fresh a gateway's copy is.
func (s *Store) Fresh(ctx context.Context, id region.ID, asOf time.Time) error {
	return s.cfg.DB.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE gateways SET fresh_at = greatest(fresh_at, $3) WHERE region = $1 AND id = $2`,
			string(s.cfg.Own.Name), string(id), asOf)
		return wrap("note freshness", err)
	})
}

// Report notes which versions a gateway has applied, and from which life of its bucket. A version never goes back, in
// whatever order reports arrive.
func (s *Store) Report(ctx context.Context, id region.ID, heads []access.Head) error {
	n := len(heads)
	orgs, services, regions, versions, incarnations := make([]string, n), make([]string, n), make([]string, n), make([]int64, n), make([]string, n)
	for i, h := range heads {
		orgs[i], services[i], regions[i], versions[i], incarnations[i] = h.Org, h.Service, h.Region, h.Version, h.Incarnation
	}
	return s.cfg.DB.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO applied (region, gateway_id, org, service, source_region, version, incarnation)
			SELECT $1, $2, h.org, h.service, h.source_region, h.version, h.incarnation
			FROM unnest($3::TEXT[], $4::TEXT[], $5::TEXT[], $6::BIGINT[], $7::TEXT[]) AS h (org, service, source_region, version, incarnation)
			ON CONFLICT (region, gateway_id, org, service, source_region)
			DO UPDATE SET version = greatest(applied.version, excluded.version),
				incarnation = CASE WHEN excluded.version >= applied.version AND excluded.incarnation <> '' THEN excluded.incarnation ELSE applied.incarnation END`,
			string(s.cfg.Own.Name), string(id), orgs, services, regions, versions, incarnations)
		return wrap("report applied versions", err)
	})
}

// Status is how far one registered gateway is.
type Status struct {
	ID      region.ID
	Region  region.Name
	Version int64
	// Applied: it has the commit, or its copy is too old to be used.
	Applied bool
}

// Applied returns how far every registered gateway of the jurisdiction is with a commit.
func (s *Store) Applied(ctx context.Context, token *typev1.ConsistencyToken) ([]Status, error) {
	var all []Status
	err := s.cfg.DB.Read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		all = nil
		for _, r := range s.cfg.Regions.In(s.cfg.Own.Jurisdiction) {
			rows, err := tx.Query(ctx, `SELECT g.id, coalesce(a.version, 0), g.fresh_at, g.copy_max_age_ms
				FROM gateways g LEFT JOIN applied a ON a.region = g.region AND a.gateway_id = g.id
					AND a.org = $2 AND a.service = $3 AND a.source_region = $4
				WHERE g.region = $1 AND g.status = 'registered' ORDER BY g.id`,
				string(r.Name), token.GetOrgId(), token.GetService(), token.GetRegion())
			if err != nil {
				return wrap("read gateways", err)
			}
			list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Status, error) { return s.status(row, r.Name, token.GetVersion()) })
			if err != nil {
				return wrap("read gateways", err)
			}
			all = append(all, list...)
		}
		return nil
	})
	return all, err
}

// clockMargin is how far the clocks of two gateways may be apart: one that judges another's copy to be too old waits longer
// than the other one decides from it.
const clockMargin = time.Minute

func (s *Store) status(row pgx.CollectableRow, at region.Name, version int64) (Status, error) {
	status := Status{Region: at}
	var fresh time.Time
	var maxAge int64
	if err := row.Scan(&status.ID, &status.Version, &fresh, &maxAge); err != nil {
		return status, err
	}
	tooOld := s.cfg.Now().Sub(fresh) > time.Duration(maxAge)*time.Millisecond+clockMargin
	status.Applied = status.Version >= version || tooOld
	return status, nil
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
