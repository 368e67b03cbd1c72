package postgres

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

const selectIn = `SELECT count(*) > 0 FROM memberships
	WHERE region = $1 AND group_id = $2 AND member_id = $3 AND org = $4 AND superseded_at IS NULL AND valid_to IS NULL`

func (w *writer) In(ctx context.Context, home region.Name, org region.ID, m grants.Membership) (in bool, err error) {
	if in, known := w.in[m]; known && w.here(home, org) {
		return in, nil
	}
	err = w.tx.QueryRow(ctx, selectIn, home, m.Group, m.Member, org).Scan(&in)
	return in, wrap(err, "read whether %s is in %s", m.Member, m.Group)
}

const selectStays = `SELECT valid_from, valid_to FROM memberships
	WHERE region = $1 AND group_id = $2 AND member_id = $3 AND org = $4 AND superseded_at IS NULL ORDER BY valid_from`

func (w *writer) Stays(ctx context.Context, home region.Name, org region.ID, m grants.Membership) ([]grants.Validity, error) {
	rows, err := w.tx.Query(ctx, selectStays, home, m.Group, m.Member, org)
	if err != nil {
		return nil, wrap(err, "read when %s was in %s", m.Member, m.Group)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (grants.Validity, error) {
		var from time.Time
		var to *time.Time
		err := row.Scan(&from, &to)
		return grants.Validity{From: from.UTC(), To: ends(to)}, err
	})
	return all, wrap(err, "read when %s was in %s", m.Member, m.Group)
}

const selectMembersAfter = `SELECT member_id FROM memberships
	WHERE region = $1 AND group_id = $2 AND org = $3 AND member_id > $4 AND superseded_at IS NULL AND valid_to IS NULL
	ORDER BY member_id LIMIT $5`

func (r *reader) MembersAfter(ctx context.Context, org, group region.ID, after string, limit int) ([]region.ID, error) {
	home, err := r.home(group)
	if err != nil {
		return nil, err
	}
	members, err := r.ids(ctx, selectMembersAfter, home, group, org, after, limit)
	return members, wrap(err, "list the members of %s", group)
}

const selectMembershipsAround = `SELECT region::TEXT, group_id FROM memberships
	WHERE region = ANY ($1::TEXT[]::crdb_internal_region[]) AND member_id = $2 AND org = $3
		AND superseded_at IS NULL AND valid_to IS NULL ORDER BY group_id`

func (w *writer) MembershipsAround(ctx context.Context, near region.Name, org, member region.ID) (map[region.Name][]region.ID, error) {
	return w.byRegion(ctx, selectMembershipsAround, near, org, member)
}

// byRegion collects pairs of region and id from the whole jurisdiction. query takes the regions, an id and the organization.
func (w *writer) byRegion(ctx context.Context, query string, near region.Name, org, id region.ID) (map[region.Name][]region.ID, error) {
	around, err := w.around(near)
	if err != nil {
		return nil, err
	}
	rows, err := w.tx.Query(ctx, query, around, id, org)
	if err != nil {
		return nil, wrap(err, "read what names %s", id)
	}
	found := map[region.Name][]region.ID{}
	err = eachPair(rows, func(at, what string) {
		found[region.Name(at)] = append(found[region.Name(at)], region.ID(what))
	})
	return found, wrap(err, "read what names %s", id)
}

const (
	insertMembership = `INSERT INTO memberships (region, group_id, member_id, version, org, valid_from, recorded_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7)`

	// Of the stays that are known and go beyond a moment nothing is known any more ...
	supersedeStays = `UPDATE memberships SET superseded_at = $5
	WHERE region = $1 AND group_id = ANY ($2) AND member_id = ANY ($3) AND org = $4 AND superseded_at IS NULL AND version < $7
		AND (valid_to IS NULL OR (valid_to > $6 AND valid_to > valid_from))`

	// ... but that they lasted until then. One that began later never was: it ends where it begins.
	endStays = `INSERT INTO memberships (region, group_id, member_id, version, org, valid_from, valid_to, recorded_at)
	SELECT region, group_id, member_id, $7::BIGINT, org, valid_from, greatest(valid_from, $6::TIMESTAMPTZ), $5::TIMESTAMPTZ FROM memberships
	WHERE region = $1 AND group_id = ANY ($2) AND member_id = ANY ($3) AND org = $4 AND superseded_at = $5 AND version < $7`

	// Before a stay that is known to have begun at a moment, only what had begun earlier is told again.
	keepStays = endStays + ` AND valid_from < $6`
)

// A membership that begins or ends with the commit waits to be written with what other commands of the commit write.
const (
	insertMemberships = `INSERT INTO memberships (region, group_id, member_id, version, org, valid_from, recorded_at)
	SELECT $1::crdb_internal_region, m.group_id, m.member_id, $2::BIGINT, $3::TEXT, $4::TIMESTAMPTZ, $4::TIMESTAMPTZ
	FROM unnest($5::TEXT[], $6::TEXT[]) AS m (group_id, member_id)`

	// What is known now keeps when it began. The new row comes first: the engines refuse two changes of one table in a
	// statement.
	recordEndedMembership = `INSERT INTO memberships (region, group_id, member_id, version, org, valid_from, valid_to, recorded_at)
	SELECT region, group_id, member_id, $2::BIGINT, org, valid_from, $4::TIMESTAMPTZ, $4::TIMESTAMPTZ FROM memberships
	WHERE region = $1 AND group_id = $5 AND member_id = $6 AND org = $3 AND superseded_at IS NULL AND valid_to IS NULL`

	supersedeMembership = `UPDATE memberships SET superseded_at = $4
	WHERE region = $1 AND version < $2 AND org = $3 AND group_id = $5 AND member_id = $6 AND superseded_at IS NULL AND valid_to IS NULL`
)

var (
	addMemberships = &bulk{table: "memberships", sql: insertMemberships, fixed: 4, key: 2, rank: inserts}
	endMemberships = &bulk{table: "memberships", sql: recordEndedMembership, fixed: 4, key: 2, rank: updates, each: true}
	oldMemberships = &bulk{table: "superseded memberships", sql: supersedeMembership, fixed: 4, key: 2, rank: updates + 1, each: true}
)

func (w *writer) AddMembership(ctx context.Context, c grants.Commit, m grants.Membership, since time.Time) error {
	home, version, org, at := stamp(c)
	if since.Before(at) {
		return w.addLate(ctx, c, m, since)
	}
	if err := w.later(ctx, addMemberships, home, version, org, at, m.Group, m.Member); err != nil {
		return err
	}
	w.moves(home, m, true)
	return nil
}

// addLate is for a stay that may overlap what is known.
func (w *writer) addLate(ctx context.Context, c grants.Commit, m grants.Membership, since time.Time) error {
	home, version, org, at := stamp(c)
	groups, members := []string{string(m.Group)}, []string{string(m.Member)}
	var batch pgx.Batch
	batch.Queue(supersedeStays, home, groups, members, org, at, since, version)
	batch.Queue(keepStays, home, groups, members, org, at, since, version)
	batch.Queue(insertMembership, home, m.Group, m.Member, version, org, since, at)
	return wrap(w.tx.SendBatch(ctx, &batch).Close(), "add %s to %s", m.Member, m.Group)
}

func (w *writer) EndMemberships(ctx context.Context, c grants.Commit, groups, members []region.ID, since time.Time) error {
	switch {
	case len(groups) == 0 || len(members) == 0:
		return nil
	case len(groups) == 1 && len(members) == 1 && since.Equal(c.At()):
		return w.endOne(ctx, c, grants.Membership{Group: groups[0], Member: members[0]})
	}
	home, version, org, at := stamp(c)
	done, err := w.tx.Exec(ctx, supersedeStays, home, texts(groups), texts(members), org, at, since, version)
	if err == nil && done.RowsAffected() < int64(len(groups)*len(members)) {
		err = errNotCurrent(done.RowsAffected())
	}
	if err == nil {
		_, err = w.tx.Exec(ctx, endStays, home, texts(groups), texts(members), org, at, since, version)
	}
	return wrap(err, "end memberships")
}

func (w *writer) endOne(ctx context.Context, c grants.Commit, m grants.Membership) error {
	home, version, org, at := stamp(c)
	if err := w.later(ctx, endMemberships, home, version, org, at, m.Group, m.Member); err != nil {
		return err
	}
	if err := w.later(ctx, oldMemberships, home, version, org, at, m.Group, m.Member); err != nil {
		return err
	}
	w.moves(home, m, false)
	return nil
}
