package postgres

import (
	"context"
	"slices"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

const lockHead = `SELECT version FROM org_heads WHERE region = $1 AND org = $2 FOR UPDATE`

// prefetch adds to batch what every run begins with: the heads, in the order of their regions, and what the plans say that
// their commands will read. The commit at home may be used when batch was sent without an error.
func (w *writer) prefetch(ctx context.Context, batch *pgx.Batch, plans []grants.Plan) error {
	if !w.outbox.Serves(w.at.home) {
		return nil // nothing of that region is here, and the commands say so
	}
	for _, home := range slices.SortedFunc(slices.Values(append(slices.Clone(w.also), w.at.home)), compare) {
		if home != w.at.home {
			batch.Queue(lockHead, home, w.at.org)
			continue
		}
		c, err := w.beginIn(ctx, batch, home)
		if err != nil {
			return err
		}
		w.commits[home], w.begun = c, append(w.begun, c)
	}
	w.fill(batch, plans)
	return nil
}

// wanted are ids of one home, each once, by their kinds.
type wanted map[region.Kind][]region.ID

func (w *writer) wanted(lists ...[]region.ID) wanted {
	all, seen := wanted{}, map[region.ID]bool{}
	for _, ids := range lists {
		for _, id := range ids {
			if home, err := w.home(id); err == nil && home == w.at.home && !seen[id] {
				seen[id] = true
				all[id.Kind()] = append(all[id.Kind()], id)
			}
		}
	}
	return all
}

func (w *writer) fill(batch *pgx.Batch, plans []grants.Plan) {
	var reads [][]region.ID
	var pairs []grants.Membership
	for _, p := range plans {
		reads, pairs = append(reads, p.Reads), append(pairs, p.Members...)
	}
	for _, m := range pairs {
		reads = append(reads, []region.ID{m.Group})
	}
	things := w.wanted(reads...)
	fetch(batch, w, sites, w.cache.sites, things[region.Site])
	fetch(batch, w, zones, w.cache.zones, things[region.Zone])
	fetch(batch, w, schedules, w.cache.schedules, things[region.Schedule])
	fetch(batch, w, groups, w.cache.groups, things[region.Group])
	fetch(batch, w, allGrants, w.cache.grants, things[region.Grant])
	fetch(batch, w, doors, w.cache.doors, things[region.Door])
	fetchMemberships(batch, w, pairs)
	fetchFollowers(batch, w, things[region.Group])
}

// everywhere lists all regions: any of them may follow.
func (w *writer) everywhere() (names []string) {
	for _, r := range w.regions.All() {
		names = append(names, string(r.Name))
	}
	return names
}

func fetch[T any](batch *pgx.Batch, w *writer, l lookup[T], into shelf[T], ids []region.ID) {
	if len(ids) == 0 {
		return
	}
	for _, id := range ids {
		into[id] = nil
	}
	batch.Queue(l.sql, w.at.home, texts(ids), w.at.org).Query(func(rows pgx.Rows) error {
		defer rows.Close()
		for rows.Next() {
			id, thing, err := l.scan(w.at.org, rows)
			if err != nil {
				return wrap(err, "read %s", id)
			}
			into[id] = &thing
		}
		return rows.Err()
	})
}

// Not the whole groups: one may have a hundred thousand members.
const selectIns = `SELECT w.group_id, w.member_id FROM unnest($2::TEXT[], $3::TEXT[]) AS w (group_id, member_id), LATERAL (
		SELECT m.version FROM memberships m
		WHERE m.region = $1 AND m.group_id = w.group_id AND m.member_id = w.member_id AND m.org = $4
			AND m.superseded_at IS NULL AND m.valid_to IS NULL OFFSET 0) t`

func fetchMemberships(batch *pgx.Batch, w *writer, pairs []grants.Membership) {
	var groups, members []string
	for _, m := range pairs {
		if home, err := w.home(m.Group); err == nil && home == w.at.home {
			groups, members = append(groups, string(m.Group)), append(members, string(m.Member))
			w.in[m] = false
		}
	}
	if len(groups) == 0 {
		return
	}
	batch.Queue(selectIns, w.at.home, groups, members, w.at.org).Query(func(rows pgx.Rows) error {
		return eachPair(rows, func(group, member string) {
			w.in[grants.Membership{Group: region.ID(group), Member: region.ID(member)}] = true
		})
	})
}

// A subject may be followed for thousands of reasons, but only by a few regions.
const selectFollowersOf = `SELECT w.id, r.name FROM unnest($2::TEXT[]) AS w (id), unnest($4::TEXT[]) AS r (name), LATERAL (
		SELECT f.held FROM follow_reasons f
		WHERE f.region = $1 AND f.org = $3 AND f.subject_id = w.id AND f.follower_region = r.name AND f.held LIMIT 1) t
	ORDER BY w.id, r.name`

func fetchFollowers(batch *pgx.Batch, w *writer, ids []region.ID) {
	if len(ids) == 0 {
		return
	}
	for _, id := range ids {
		w.followers[id] = &[]region.Name{}
	}
	batch.Queue(selectFollowersOf, w.at.home, texts(ids), w.at.org, w.everywhere()).Query(func(rows pgx.Rows) error {
		return eachPair(rows, func(of, follower string) {
			list := w.followers[region.ID(of)]
			*list = append(*list, region.Name(follower))
		})
	})
}
