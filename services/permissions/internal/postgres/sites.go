package postgres

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

const (
	siteColumns = `s.id, s.version, s.name, s.time_zone, s.valid_from`

	selectSites = `SELECT t.* FROM unnest($2::TEXT[]) AS w (id), LATERAL (
	SELECT ` + siteColumns + ` FROM sites s
	WHERE s.region = $1 AND s.id = w.id AND s.org = $3 AND s.superseded_at IS NULL AND s.valid_to IS NULL OFFSET 0) t`

	listSites = `SELECT ` + siteColumns + ` FROM sites s
	WHERE s.region = $1 AND s.org = $2 AND s.id > $3 AND s.superseded_at IS NULL AND s.valid_to IS NULL ORDER BY s.id LIMIT $4`
)

var sites = lookup[grants.Site]{selectSites, func(org region.ID, row pgx.CollectableRow) (region.ID, grants.Site, error) {
	s := grants.Site{Org: org}
	err := row.Scan(&s.ID, &s.Version, &s.Name, &s.TimeZone, &s.Since)
	s.Since = s.Since.UTC()
	return s.ID, s, err
}}

func (r *reader) Site(ctx context.Context, org, id region.ID) (grants.Site, error) {
	return one(ctx, r, sites, org, id)
}

func (r *reader) ListSites(ctx context.Context, home region.Name, org region.ID, after string, limit int) ([]grants.Site, error) {
	return list(ctx, r, sites, org, listSites, home, org, after, limit)
}

const insertSite = `INSERT INTO sites (region, id, version, org, name, time_zone, valid_from, recorded_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`

var siteLine = timeline{
	keep: `INSERT INTO sites (region, id, version, org, name, time_zone, valid_from, valid_to, recorded_at)
	SELECT region, id, $3::BIGINT, org, name, time_zone, valid_from, $6::TIMESTAMPTZ, $5::TIMESTAMPTZ FROM sites
	WHERE region = $1 AND id = $2 AND org = $4 AND superseded_at IS NULL AND (valid_to IS NULL OR valid_to > $6) AND valid_from < $6`,
	supersede: `UPDATE sites SET superseded_at = $4
	WHERE region = $1 AND id = $2 AND org = $3 AND superseded_at IS NULL AND (valid_to IS NULL OR valid_to > $5)`,
}

func (w *writer) AddSite(ctx context.Context, c grants.Commit, s grants.Site) error {
	var batch pgx.Batch
	queueSite(&batch, c, s, c.At())
	return wrap(w.tx.SendBatch(ctx, &batch).Close(), "add site")
}

func (w *writer) SetSite(ctx context.Context, c grants.Commit, s grants.Site, from time.Time) error {
	var batch pgx.Batch
	siteLine.queue(&batch, c, s.ID, from)
	queueSite(&batch, c, s, from)
	return wrap(w.tx.SendBatch(ctx, &batch).Close(), "change %s", s.ID)
}

func queueSite(batch *pgx.Batch, c grants.Commit, s grants.Site, from time.Time) {
	home, version, org, at := stamp(c)
	batch.Queue(insertSite, home, s.ID, version, org, s.Name, s.TimeZone, from, at)
}
