package outbox

import (
	"context"
	"fmt"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// takeLeases takes or renews, all in one statement. A relay of the home region also takes what another region's holds:
// it hears of commits at once, the other only by polling.
const takeLeases = `INSERT INTO relay_leases (region, target, holder, holder_region, expires_at)
	SELECT w.home::crdb_internal_region, w.target, $3::TEXT, $4::TEXT, now() + $5::INTERVAL
	FROM unnest($1::TEXT[], $2::TEXT[]) AS w (home, target)
	ON CONFLICT (region, target) DO UPDATE
	SET holder = excluded.holder, holder_region = excluded.holder_region, expires_at = excluded.expires_at
	WHERE relay_leases.holder = excluded.holder OR relay_leases.expires_at < now()
		OR (excluded.region::TEXT = excluded.holder_region AND relay_leases.holder_region <> excluded.holder_region)
	RETURNING region::TEXT, target`

// pathRow is a pair of regions as SQL returns it.
type pathRow struct{ Region, Target string }

func (r *Relay) takeLeases(ctx context.Context) error {
	asked := time.Now()
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Lease/3)
	defer cancel()
	homes, targets := make([]string, len(r.order)), make([]string, len(r.order))
	for i, p := range r.order {
		homes[i], targets[i] = string(p.home), string(p.target)
	}
	lease := fmt.Sprintf("%d milliseconds", r.cfg.Lease.Milliseconds())
	rows, err := r.cfg.DB.Pool().Query(ctx, takeLeases, homes, targets, r.cfg.Holder, string(r.cfg.Region), lease)
	if err != nil {
		return err
	}
	held, err := pgx.CollectRows(rows, pgx.RowToStructByPos[pathRow])
	if err != nil {
		return err
	}
	for _, p := range held {
		r.lanes[path{region.Name(p.Region), region.Name(p.Target)}].hold(asked.Add(r.cfg.Lease))
	}
	return nil
}

const pollLeases = `SELECT l.region::TEXT, l.target FROM relay_leases l
	WHERE l.holder = $1 AND EXISTS (SELECT 1 FROM outbox o WHERE o.region = l.region AND o.target = l.target)`

// poll wakes the lanes in which rows wait.
func (r *Relay) poll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Lease/3)
	defer cancel()
	rows, err := r.cfg.DB.Pool().Query(ctx, pollLeases, r.cfg.Holder)
	if err != nil {
		return err
	}
	waiting, err := pgx.CollectRows(rows, pgx.RowToStructByPos[pathRow])
	if err != nil {
		return err
	}
	for _, p := range waiting {
		r.wake([]path{{region.Name(p.Region), region.Name(p.Target)}})
	}
	return nil
}

const dropLeases = `DELETE FROM relay_leases WHERE holder = $1`

// giveBack lets others take over at once. When it fails the leases run out.
func (r *Relay) giveBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	r.cfg.DB.Pool().Exec(ctx, dropLeases, r.cfg.Holder)
}
