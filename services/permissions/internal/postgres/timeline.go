package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// A thing is changed from a moment on by three statements. keep records again what held before the moment, of the rows that
// are known now and reach beyond it; supersede ends what was known by these rows; and an insert records what holds from the
// moment on. A deletion is the first two. keep goes before supersede, and in a statement of its own, because CockroachDB
// refuses two changes of one table in one statement.
//
// Both take region, id, version, organization, the commit's moment and the moment of the change, in this order.
type timeline struct{ keep, supersede string }

func (t timeline) queue(batch *pgx.Batch, c grants.Commit, id region.ID, from time.Time) {
	home, version, org, at := stamp(c)
	batch.Queue(t.keep, home, id, version, org, at, from)
	batch.Queue(t.supersede, home, id, org, at, from)
}

// End implements grants.PlaceTx.
func (w *writer) End(ctx context.Context, c grants.Commit, id region.ID) error {
	var batch pgx.Batch
	switch id.Kind() {
	case region.Site:
		siteLine.queue(&batch, c, id, c.At())
	case region.Door:
		doorLine.queue(&batch, c, id, c.At())
	case region.Zone:
		zoneLine.queue(&batch, c, id, c.At())
		queueContents(&batch, c, grants.Zone{ID: id}, c.At())
	case region.Schedule:
		scheduleLine.queue(&batch, c, id, c.At())
	case region.Calendar:
		calendarLine.queue(&batch, c, id, c.At())
	default:
		return fmt.Errorf("end %s: a %s has no timeline here", id, id.Kind())
	}
	return wrap(w.tx.SendBatch(ctx, &batch).Close(), "end %s", id)
}

const (
	existedSite     = `SELECT count(*) > 0 FROM sites WHERE region = $1 AND id = $2 AND org = $3`
	existedDoor     = `SELECT count(*) > 0 FROM doors WHERE region = $1 AND id = $2 AND org = $3`
	existedZone     = `SELECT count(*) > 0 FROM zones WHERE region = $1 AND id = $2 AND org = $3`
	existedSchedule = `SELECT count(*) > 0 FROM schedules WHERE region = $1 AND id = $2 AND org = $3`
	existedCalendar = `SELECT count(*) > 0 FROM holiday_calendars WHERE region = $1 AND id = $2 AND org = $3`
	existedGroup    = `SELECT count(*) > 0 FROM groups WHERE region = $1 AND id = $2 AND org = $3`
)

// Existed implements grants.PlaceTx.
func (w *writer) Existed(ctx context.Context, org, id region.ID) (existed bool, err error) {
	home, err := w.home(id)
	if err != nil {
		return false, err
	}
	asked := map[region.Kind]string{
		region.Site: existedSite, region.Door: existedDoor, region.Zone: existedZone, region.Schedule: existedSchedule,
		region.Calendar: existedCalendar, region.Group: existedGroup,
	}[id.Kind()]
	if asked == "" {
		return false, fmt.Errorf("ask whether %s existed: a %s has no timeline", id, id.Kind())
	}
	err = w.tx.QueryRow(ctx, asked, home, id, org).Scan(&existed)
	return existed, wrap(err, "read whether %s existed", id)
}
