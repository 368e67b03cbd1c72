package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

const (
	selectSchedule = `SELECT s.id, s.version, s.site_id, s.name, s.time_zone, s.spec, s.calendars, s.valid_from,
		ARRAY(SELECT k.holidays::TEXT FROM holiday_calendars k
			WHERE k.region = s.region AND k.id = ANY (s.calendars) AND k.superseded_at IS NULL AND k.valid_to IS NULL) AS dates
	FROM schedules s WHERE s.region = $1 AND s.superseded_at IS NULL AND s.valid_to IS NULL`

	selectSchedules = `SELECT t.* FROM unnest($2::TEXT[]) AS w (id), LATERAL (` + selectSchedule + ` AND s.id = w.id AND s.org = $3 OFFSET 0) t`

	listSchedules = selectSchedule + ` AND s.org = $2 AND s.site_id = $3 AND s.id > $4 ORDER BY s.id LIMIT $5`

	listObservers = selectSchedule + ` AND s.org = $2 AND $3::TEXT = ANY (s.calendars) ORDER BY s.id`
)

var schedules = lookup[grants.Schedule]{selectSchedules, func(org region.ID, row pgx.CollectableRow) (region.ID, grants.Schedule, error) {
	s := grants.Schedule{Org: org}
	var spec []byte
	var dates []string
	err := row.Scan(&s.ID, &s.Version, &s.Site, &s.Name, &s.TimeZone, &spec, &s.Calendars, &s.Since, &dates)
	if err != nil {
		return s.ID, s, err
	}
	s.Since = s.Since.UTC()
	if s.Spec, err = decodeSpec(spec); err != nil {
		return s.ID, s, err
	}
	observed := make([]grants.Calendar, len(dates))
	for i, raw := range dates {
		if observed[i].Holidays, err = decodeHolidays([]byte(raw)); err != nil {
			return s.ID, s, err
		}
	}
	s.Spec.Holidays = grants.HolidaysOf(observed)
	return s.ID, s, nil
}}

func (r *reader) Schedule(ctx context.Context, org, id region.ID) (grants.Schedule, error) {
	return one(ctx, r, schedules, org, id)
}

func (r *reader) ListSchedules(ctx context.Context, org, site region.ID, after string, limit int) ([]grants.Schedule, error) {
	home, err := r.home(site)
	if err != nil {
		return nil, err
	}
	return list(ctx, r, schedules, org, listSchedules, home, org, site, after, limit)
}

func (w *writer) Observers(ctx context.Context, org, calendar region.ID) ([]grants.Schedule, error) {
	home, err := w.home(calendar)
	if err != nil {
		return nil, err
	}
	return list(ctx, w.reader, schedules, org, listObservers, home, org, calendar)
}

const insertSchedule = `INSERT INTO schedules (region, id, version, org, site_id, name, time_zone, spec, calendars, valid_from, recorded_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

var scheduleLine = timeline{
	keep: `INSERT INTO schedules (region, id, version, org, site_id, name, time_zone, spec, calendars, valid_from, valid_to, recorded_at)
	SELECT region, id, $3::BIGINT, org, site_id, name, time_zone, spec, calendars, valid_from, $6::TIMESTAMPTZ, $5::TIMESTAMPTZ FROM schedules
	WHERE region = $1 AND id = $2 AND org = $4 AND superseded_at IS NULL AND (valid_to IS NULL OR valid_to > $6) AND valid_from < $6`,
	supersede: `UPDATE schedules SET superseded_at = $4
	WHERE region = $1 AND id = $2 AND org = $3 AND superseded_at IS NULL AND (valid_to IS NULL OR valid_to > $5)`,
}

func (w *writer) AddSchedule(ctx context.Context, c grants.Commit, s grants.Schedule) error {
	var batch pgx.Batch
	if err := queueSchedule(&batch, c, s, c.At()); err != nil {
		return err
	}
	return wrap(w.tx.SendBatch(ctx, &batch).Close(), "add schedule")
}

func (w *writer) SetSchedule(ctx context.Context, c grants.Commit, s grants.Schedule, from time.Time) error {
	var batch pgx.Batch
	scheduleLine.queue(&batch, c, s.ID, from)
	if err := queueSchedule(&batch, c, s, from); err != nil {
		return err
	}
	return wrap(w.tx.SendBatch(ctx, &batch).Close(), "change %s", s.ID)
}

func queueSchedule(batch *pgx.Batch, c grants.Commit, s grants.Schedule, from time.Time) error {
	home, version, org, at := stamp(c)
	spec, err := encodeSpec(s.Spec)
	if err != nil {
		return fmt.Errorf("write the spec of %s: %w", s.ID, err)
	}
	batch.Queue(insertSchedule, home, s.ID, version, org, s.Site, s.Name, s.TimeZone, spec, texts(s.Calendars), from, at)
	return nil
}

// A site's schedules move as they are, each piece of their time for itself: before the moment what held stays, from then on
// it is the same in the other time zone. Rows of that zone are right already, and so are those that the first two make.

const keepMoved = `INSERT INTO schedules (region, id, version, org, site_id, name, time_zone, spec, calendars, valid_from, valid_to, recorded_at)
	SELECT region, id, $3::BIGINT, org, site_id, name, time_zone, spec, calendars, valid_from, $6::TIMESTAMPTZ, $5::TIMESTAMPTZ FROM schedules
	WHERE region = $1 AND site_id = $2 AND org = $4 AND superseded_at IS NULL AND (valid_to IS NULL OR valid_to > $6)
		AND time_zone <> $7 AND valid_from < $6`

const insertMoved = `INSERT INTO schedules (region, id, version, org, site_id, name, time_zone, spec, calendars, valid_from, valid_to, recorded_at)
	SELECT region, id, $3::BIGINT, org, site_id, name, $7::TEXT, spec, calendars, greatest(valid_from, $6::TIMESTAMPTZ), valid_to,
		$5::TIMESTAMPTZ
	FROM schedules
	WHERE region = $1 AND site_id = $2 AND org = $4 AND superseded_at IS NULL AND (valid_to IS NULL OR valid_to > $6)
		AND time_zone <> $7`

const supersedeMoved = `UPDATE schedules SET superseded_at = $4
	WHERE region = $1 AND site_id = $2 AND org = $3 AND superseded_at IS NULL AND (valid_to IS NULL OR valid_to > $5)
		AND time_zone <> $6`

func (w *writer) MoveSchedules(ctx context.Context, c grants.Commit, site region.ID, timeZone string, from time.Time) error {
	home, version, org, at := stamp(c)
	var batch pgx.Batch
	batch.Queue(keepMoved, home, site, version, org, at, from, timeZone)
	batch.Queue(insertMoved, home, site, version, org, at, from, timeZone)
	batch.Queue(supersedeMoved, home, site, org, at, from, timeZone)
	return wrap(w.tx.SendBatch(ctx, &batch).Close(), "move the schedules of %s", site)
}
