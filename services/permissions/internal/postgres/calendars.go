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
	calendarColumns = `k.id, k.version, k.name, k.holidays, k.valid_from`

	selectCalendars = `SELECT t.* FROM unnest($2::TEXT[]) AS w (id), LATERAL (
	SELECT ` + calendarColumns + ` FROM holiday_calendars k
	WHERE k.region = $1 AND k.id = w.id AND k.org = $3 AND k.superseded_at IS NULL AND k.valid_to IS NULL OFFSET 0) t`

	listCalendars = `SELECT ` + calendarColumns + ` FROM holiday_calendars k
	WHERE k.region = $1 AND k.org = $2 AND k.id > $3 AND k.superseded_at IS NULL AND k.valid_to IS NULL ORDER BY k.id LIMIT $4`
)

var calendars = lookup[grants.Calendar]{selectCalendars, func(org region.ID, row pgx.CollectableRow) (region.ID, grants.Calendar, error) {
	k := grants.Calendar{Org: org}
	var holidays []byte
	err := row.Scan(&k.ID, &k.Version, &k.Name, &holidays, &k.Since)
	if err != nil {
		return k.ID, k, err
	}
	k.Since = k.Since.UTC()
	k.Holidays, err = decodeHolidays(holidays)
	return k.ID, k, err
}}

func (r *reader) Calendar(ctx context.Context, org, id region.ID) (grants.Calendar, error) {
	return one(ctx, r, calendars, org, id)
}

func (r *reader) Calendars(ctx context.Context, home region.Name, org region.ID, ids []region.ID) ([]grants.Calendar, error) {
	return several(ctx, r, calendars, home, org, ids)
}

func (r *reader) ListCalendars(ctx context.Context, home region.Name, org region.ID, after string, limit int) ([]grants.Calendar, error) {
	return list(ctx, r, calendars, org, listCalendars, home, org, after, limit)
}

const insertCalendar = `INSERT INTO holiday_calendars (region, id, version, org, name, holidays, valid_from, recorded_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`

var calendarLine = timeline{
	keep: `INSERT INTO holiday_calendars (region, id, version, org, name, holidays, valid_from, valid_to, recorded_at)
	SELECT region, id, $3::BIGINT, org, name, holidays, valid_from, $6::TIMESTAMPTZ, $5::TIMESTAMPTZ FROM holiday_calendars
	WHERE region = $1 AND id = $2 AND org = $4 AND superseded_at IS NULL AND (valid_to IS NULL OR valid_to > $6) AND valid_from < $6`,
	supersede: `UPDATE holiday_calendars SET superseded_at = $4
	WHERE region = $1 AND id = $2 AND org = $3 AND superseded_at IS NULL AND (valid_to IS NULL OR valid_to > $5)`,
}

func (w *writer) AddCalendar(ctx context.Context, c grants.Commit, k grants.Calendar) error {
	var batch pgx.Batch
	if err := queueCalendar(&batch, c, k, c.At()); err != nil {
		return err
	}
	return wrap(w.tx.SendBatch(ctx, &batch).Close(), "add calendar")
}

func (w *writer) SetCalendar(ctx context.Context, c grants.Commit, k grants.Calendar, from time.Time) error {
	var batch pgx.Batch
	calendarLine.queue(&batch, c, k.ID, from)
	if err := queueCalendar(&batch, c, k, from); err != nil {
		return err
	}
	return wrap(w.tx.SendBatch(ctx, &batch).Close(), "change %s", k.ID)
}

func queueCalendar(batch *pgx.Batch, c grants.Commit, k grants.Calendar, from time.Time) error {
	home, version, org, at := stamp(c)
	holidays, err := encodeHolidays(k.Holidays)
	if err != nil {
		return fmt.Errorf("write the dates of %s: %w", k.ID, err)
	}
	batch.Queue(insertCalendar, home, k.ID, version, org, k.Name, holidays, from, at)
	return nil
}
