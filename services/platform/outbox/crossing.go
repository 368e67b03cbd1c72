package outbox

import (
	"context"
	"fmt"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// Crossing is how far one region is that an organization's commits have called.
type Crossing struct {
	Target region.Name
	// Version is the commit that Confirm may name once the target has all that it was sent: the last that called, or the
	// one that was asked about where later ones have called too.
	Version int64
	// Sent: every call of the commits up to Version was taken by the target.
	Sent bool
	// Confirmed: the target was said to have all of it in force.
	Confirmed bool
}

// A call's row is deleted when the call was taken.
const selectCrossings = `SELECT t.target, least(t.called_version, $3::BIGINT), t.confirmed_version >= least(t.called_version, $3::BIGINT),
		NOT EXISTS (SELECT 1 FROM outbox o WHERE o.region = t.region AND o.target = t.target AND o.org = t.org
			AND o.org_version <= $3 AND o.what = 'call')
	FROM call_targets t WHERE t.region = $1 AND t.org = $2 ORDER BY t.target`

// Crossings returns the regions that commits of an organization in home up to version may have called, sorted. Only the
// last call to each is remembered, so one whose first call came later is among them; it is then sent.
func (o *Outbox) Crossings(ctx context.Context, tx pgx.Tx, home region.Name, org region.ID, version int64) ([]Crossing, error) {
	rows, err := tx.Query(ctx, selectCrossings, home, org, version)
	if err != nil {
		return nil, fmt.Errorf("outbox: read where %s has called: %w", org, err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c Crossing, err error) {
		return c, row.Scan(&c.Target, &c.Version, &c.Confirmed, &c.Sent)
	})
	if err != nil {
		return nil, fmt.Errorf("outbox: read where %s has called: %w", org, err)
	}
	return all, nil
}

const confirmCrossing = `UPDATE call_targets SET confirmed_version = $4
	WHERE region = $1 AND org = $2 AND target = $3 AND confirmed_version < $4`

// Confirm records that target has in force what commits of the organization up to version have sent there. It never goes
// back. The caller has seen the crossing sent, and has asked the other side after that.
func (o *Outbox) Confirm(ctx context.Context, tx pgx.Tx, home region.Name, org region.ID, target region.Name, version int64) error {
	if _, err := tx.Exec(ctx, confirmCrossing, home, org, target, version); err != nil {
		return fmt.Errorf("outbox: confirm what %s has of %s: %w", target, org, err)
	}
	return nil
}

const upsertCallTarget = `INSERT INTO call_targets (region, org, target, called_version, confirmed_version) VALUES ($1, $2, $3, $4, 0)
	ON CONFLICT (region, org, target) DO UPDATE SET called_version = excluded.called_version`

// writeTargets notes where the commit calls.
func (c *Commit) writeTargets(batch *pgx.Batch) {
	noted := map[region.Name]bool{}
	for _, call := range c.calls {
		if !noted[call.target] {
			noted[call.target] = true
			batch.Queue(upsertCallTarget, c.Region, c.Org, call.target, c.Version)
		}
	}
}
