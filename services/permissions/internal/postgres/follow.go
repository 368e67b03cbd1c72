package postgres

import (
	"context"
	"errors"
	"slices"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

const selectMembers = `SELECT member_id FROM memberships
	WHERE region = $1 AND group_id = $2 AND org = $3 AND superseded_at IS NULL AND valid_to IS NULL ORDER BY member_id`

func (w *writer) Members(ctx context.Context, home region.Name, org, group region.ID) ([]region.ID, error) {
	members, err := w.ids(ctx, selectMembers, home, group, org)
	return members, wrap(err, "read the members of %s", group)
}

const selectContainers = `SELECT DISTINCT group_id FROM memberships
	WHERE region = ANY ($1::TEXT[]::crdb_internal_region[]) AND member_id = ANY ($2) AND org = $3
		AND superseded_at IS NULL AND valid_to IS NULL`

func (w *writer) Containers(ctx context.Context, home region.Name, org region.ID, of []region.ID) ([]region.ID, error) {
	return w.neighbours(ctx, selectContainers, home, org, of)
}

const selectContents = `SELECT DISTINCT member_id FROM memberships
	WHERE region = ANY ($1::TEXT[]::crdb_internal_region[]) AND group_id = ANY ($2) AND org = $3
		AND superseded_at IS NULL AND valid_to IS NULL AND member_id LIKE 'group%'`

func (w *writer) Contents(ctx context.Context, home region.Name, org region.ID, of []region.ID) ([]region.ID, error) {
	return w.neighbours(ctx, selectContents, home, org, of)
}

func (w *writer) neighbours(ctx context.Context, query string, home region.Name, org region.ID, of []region.ID) ([]region.ID, error) {
	around, err := w.around(home)
	if err != nil {
		return nil, err
	}
	found, err := w.ids(ctx, query, around, texts(of), org)
	return found, wrap(err, "read groups in groups")
}

const selectReason = `SELECT held, source_version FROM follow_reasons
	WHERE region = $1 AND org = $2 AND subject_id = $3 AND follower_region = $4 AND reason = $5`

func (w *writer) Reason(ctx context.Context, k grants.ReasonKey) (grants.Reason, error) {
	var r grants.Reason
	err := w.tx.QueryRow(ctx, selectReason, k.Holder, k.Org, k.Subject, k.Follower, k.Why).Scan(&r.Held, &r.SourceVersion)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, nil
	}
	return r, wrap(err, "read why %s follows %s", k.Follower, k.Subject)
}

const upsertReasons = `INSERT INTO follow_reasons (region, org, subject_id, follower_region, reason, held, source_version)
	SELECT $1::crdb_internal_region, $2::TEXT, r.subject_id, r.follower_region, r.reason, r.held, r.source_version
	FROM unnest($3::TEXT[], $4::TEXT[], $5::TEXT[], $6::BOOL[], $7::BIGINT[]) AS r (subject_id, follower_region, reason, held, source_version)
	ON CONFLICT (region, org, subject_id, follower_region, reason)
	DO UPDATE SET held = excluded.held, source_version = excluded.source_version`

var setReasons = &bulk{table: "follow_reasons", sql: upsertReasons, fixed: 2, key: 3, rank: inserts, again: true}

func (w *writer) SetReason(ctx context.Context, k grants.ReasonKey, r grants.Reason) error {
	if err := w.later(ctx, setReasons, k.Holder, k.Org, k.Subject, string(k.Follower), k.Why, r.Held, r.SourceVersion); err != nil {
		return wrap(err, "write why %s follows %s", k.Follower, k.Subject)
	}
	if r.Held {
		w.follows(k)
	} else {
		w.forget(k.Subject) // there may be other reasons
	}
	return nil
}

const selectFollowed = `SELECT count(*) > 0 FROM follow_reasons
	WHERE region = $1 AND org = $2 AND subject_id = $3 AND follower_region = $4 AND held`

func (w *writer) Followed(ctx context.Context, k grants.ReasonKey) (held bool, err error) {
	if list := w.followers[k.Subject]; list != nil && w.here(k.Holder, k.Org) {
		return slices.Contains(*list, k.Follower), nil
	}
	err = w.tx.QueryRow(ctx, selectFollowed, k.Holder, k.Org, k.Subject, k.Follower).Scan(&held)
	return held, wrap(err, "read whether %s follows %s", k.Follower, k.Subject)
}

const selectFollowers = `SELECT DISTINCT follower_region FROM follow_reasons
	WHERE region = $1 AND org = $2 AND subject_id = $3 AND held ORDER BY follower_region`

func (w *writer) FollowersOf(ctx context.Context, holder region.Name, org, subject region.ID) ([]region.Name, error) {
	if list := w.followers[subject]; list != nil && w.here(holder, org) {
		return *list, nil
	}
	rows, err := w.tx.Query(ctx, selectFollowers, holder, org, subject)
	if err != nil {
		return nil, wrap(err, "read who follows %s", subject)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[region.Name])
	return names, wrap(err, "read who follows %s", subject)
}

// The follower of an entry for the own jurisdiction is the region that holds it.
const selectFollowing = `SELECT follower_region FROM follow_reasons
	WHERE region = ANY ($1::TEXT[]::crdb_internal_region[]) AND subject_id = $2 AND org = $3 AND follower_region = region::TEXT
	ORDER BY follower_region LIMIT 1`

func (w *writer) FollowingRegion(ctx context.Context, in region.Name, org, subject region.ID) (name region.Name, err error) {
	around, err := w.around(in)
	if err != nil {
		return "", err
	}
	err = w.tx.QueryRow(ctx, selectFollowing, around, subject, org).Scan(&name)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return name, wrap(err, "read who follows %s here", subject)
}

const selectReceived = `SELECT source_version FROM received_groups WHERE region = $1 AND org = $2 AND group_id = $3`

func (w *writer) ReceivedVersion(ctx context.Context, in region.Name, org, group region.ID) (version int64, err error) {
	err = w.tx.QueryRow(ctx, selectReceived, in, org, group).Scan(&version)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return version, wrap(err, "read what was received of %s", group)
}

const upsertReceived = `INSERT INTO received_groups (region, org, group_id, source_version) VALUES ($1, $2, $3, $4)
	ON CONFLICT (region, org, group_id) DO UPDATE SET source_version = excluded.source_version`

func (w *writer) SetReceivedVersion(ctx context.Context, in region.Name, org, group region.ID, version int64) error {
	_, err := w.tx.Exec(ctx, upsertReceived, in, org, group, version)
	return wrap(err, "write what was received of %s", group)
}
