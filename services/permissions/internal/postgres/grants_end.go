package postgres

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Since a moment a grant is to hold no more: what that changes is its row that is not revoked, and rows that are, where
// they went beyond the moment.
const toEnd = ` AND superseded_at IS NULL AND (NOT revoked OR (valid_to > $4 AND valid_to > valid_from))`

const (
	selectGrantsToEnd = `SELECT ` + grantColumns + ` FROM grants g
	WHERE region = $1 AND id = ANY ($2) AND org = $3` + toEnd + ` ORDER BY id, valid_from DESC`

	selectSharesToEnd = `SELECT ` + grantColumns + ` FROM grants g
	WHERE region = $1 AND shared_from = ANY ($2) AND shared_from <> '' AND org = $3` + toEnd + ` ORDER BY id, valid_from DESC`

	selectShares = `SELECT ` + grantColumns + ` FROM grants g
	WHERE region = $1 AND shared_from = $2 AND shared_from <> '' AND org = $3 AND superseded_at IS NULL AND NOT revoked ORDER BY id`
)

func (w *writer) GrantsToEnd(ctx context.Context, home region.Name, org region.ID, ids []region.ID, since time.Time) ([]grants.Grant, error) {
	return w.lastRows(ctx, selectGrantsToEnd, home, org, ids, since)
}

func (w *writer) SharesToEnd(ctx context.Context, home region.Name, org region.ID, of []region.ID, since time.Time) ([]grants.Grant, error) {
	return w.lastRows(ctx, selectSharesToEnd, home, org, of, since)
}

// lastRows returns each grant once: its last row comes first.
func (w *writer) lastRows(ctx context.Context, query string, home region.Name, org region.ID, ids []region.ID, since time.Time) ([]grants.Grant, error) {
	rows, err := w.grantRows(ctx, query, home, texts(ids), org, since)
	if err != nil {
		return nil, wrap(err, "read grants that end")
	}
	var found []grants.Grant
	for _, g := range rows {
		if len(found) == 0 || found[len(found)-1].ID != g.ID {
			found = append(found, g)
		}
	}
	return found, nil
}

func (w *writer) LiveShares(ctx context.Context, org, grant region.ID) ([]grants.Grant, error) {
	home, err := w.home(grant)
	if err != nil {
		return nil, err
	}
	found, err := w.grantRows(ctx, selectShares, home, grant, org)
	return found, wrap(err, "read the shares of %s", grant)
}

const (
	supersedeGrants = `UPDATE grants SET superseded_at = $5
	WHERE region = $1 AND id = ANY ($2) AND org = $3 AND version < $6` + toEnd

	// As Validity.EndedAt says.
	revokeGrants = `INSERT INTO grants (region, id, version, org, subject_id, target_id, schedule_id, site_id, revoked,
		valid_from, valid_to, recorded_at, held_since, max_uses, override_rank, share_depth, shared_from, sharer)
	SELECT region, id, $6::BIGINT, org, subject_id, target_id, schedule_id, site_id, true,
		valid_from, CASE WHEN valid_to <= $4 THEN valid_to ELSE greatest(valid_from, $4::TIMESTAMPTZ) END, $5::TIMESTAMPTZ,
		held_since, max_uses, override_rank, share_depth, shared_from, sharer
	FROM grants WHERE region = $1 AND id = ANY ($2) AND org = $3 AND superseded_at = $5 AND version < $6`
)

func (w *writer) EndGrants(ctx context.Context, c grants.Commit, all []grants.Grant, since time.Time) error {
	if len(all) == 1 && !all[0].Revoked && since.Equal(c.At()) {
		return w.revokeOne(ctx, c, all[0])
	}
	home, version, org, at := stamp(c)
	ids := make([]region.ID, len(all))
	for i, g := range all {
		ids[i] = g.ID
	}
	done, err := w.tx.Exec(ctx, supersedeGrants, home, texts(ids), org, since, at, version)
	if err == nil && done.RowsAffected() < int64(len(ids)) {
		err = errNotCurrent(done.RowsAffected())
	}
	if err == nil {
		_, err = w.tx.Exec(ctx, revokeGrants, home, texts(ids), org, since, at, version)
	}
	return wrap(err, "end grants")
}

// revokeOne ends what a grant is, which at the commit's moment is its last row. It waits to be written with what other
// commands of the commit write.
func (w *writer) revokeOne(ctx context.Context, c grants.Commit, g grants.Grant) error {
	home, version, org, at := stamp(c)
	if err := w.later(ctx, endedGrants, home, version, org, at, g.ID); err != nil {
		return err
	}
	return w.AddGrant(ctx, c, revoked(g, at))
}

const selectHeldUntil = `SELECT max(valid_to) FROM grants
	WHERE region = $1 AND id = $2 AND org = $3 AND superseded_at IS NULL AND revoked AND valid_to > valid_from`

func (w *writer) GrantHeldUntil(ctx context.Context, org, grant region.ID) (time.Time, error) {
	var until *time.Time
	err := w.one(ctx, org, grant, selectHeldUntil, &until)
	return ends(until), err
}

const selectGrantsNaming = `SELECT region::TEXT, id FROM grants
	WHERE region = ANY ($1::TEXT[]::crdb_internal_region[]) AND subject_id = $2 AND org = $3
		AND superseded_at IS NULL AND NOT revoked ORDER BY id`

func (w *writer) GrantsNaming(ctx context.Context, near region.Name, org, subject region.ID) (map[region.Name][]region.ID, error) {
	return w.byRegion(ctx, selectGrantsNaming, near, org, subject)
}

const selectGrantsOf = `SELECT id FROM grants
	WHERE region = $1 AND subject_id = $2 AND org = $3 AND superseded_at IS NULL AND NOT revoked
	UNION
	SELECT id FROM grants
	WHERE region = $1 AND sharer = $2 AND sharer <> '' AND org = $3 AND superseded_at IS NULL AND NOT revoked
	ORDER BY id`

func (w *writer) GrantsHeldBy(ctx context.Context, home region.Name, org, person region.ID) ([]region.ID, error) {
	found, err := w.ids(ctx, selectGrantsOf, home, person, org)
	return found, wrap(err, "read the grants of %s", person)
}

const selectZonesAround = `SELECT zone_id FROM zone_doors
	WHERE region = $1 AND door_id = ANY ($2) AND org = $3 AND superseded_at IS NULL AND valid_to IS NULL
	UNION
	SELECT parent_id FROM zone_zones
	WHERE region = $1 AND child_id = ANY ($2) AND org = $3 AND superseded_at IS NULL AND valid_to IS NULL`

func (w *writer) ZonesAround(ctx context.Context, home region.Name, org region.ID, of []region.ID) ([]region.ID, error) {
	found, err := w.ids(ctx, selectZonesAround, home, texts(of), org)
	return found, wrap(err, "read zones around")
}
