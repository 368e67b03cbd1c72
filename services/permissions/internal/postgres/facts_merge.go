package postgres

import (
	"context"
	"slices"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// Each of these returns, for each of $2, the first $8 ids between $6 and $7, in the order of an index. $9 are the schedules
// that include the time.
const (
	peopleOfGrants = `SELECT target.id, named.id FROM unnest($2::TEXT[]) AS target (id) CROSS JOIN LATERAL (
			SELECT DISTINCT subject_id AS id FROM grants
			WHERE region = $1 AND target_id = target.id AND subject_id > $6 AND subject_id < $7 AND schedule_id = ANY ($9) AND org = $3` + holds + `
			ORDER BY id LIMIT $8
		) named`

	peopleOfGroups = `SELECT neighbour.name || parent.id, inside.id
		FROM unnest($2::TEXT[]) AS parent (id) CROSS JOIN unnest($1::TEXT[]) AS neighbour (name) CROSS JOIN LATERAL (
			SELECT DISTINCT member_id AS id FROM memberships
			WHERE region = neighbour.name::crdb_internal_region AND group_id = parent.id
				AND member_id > $6 AND member_id < $7 AND org = $3` + holds + `
			ORDER BY id LIMIT $8
		) inside`

	doorsOfGrants = `SELECT subject.id, named.id FROM unnest($2::TEXT[]) AS subject (id) CROSS JOIN LATERAL (
			SELECT DISTINCT target_id AS id FROM grants
			WHERE region = $1 AND subject_id = subject.id AND target_id > $6 AND target_id < $7 AND schedule_id = ANY ($9) AND org = $3` + holds + `
			ORDER BY id LIMIT $8
		) named`

	doorsOfZones = `SELECT zone.id, inside.id FROM unnest($2::TEXT[]) AS zone (id) CROSS JOIN LATERAL (
			SELECT DISTINCT door_id AS id FROM zone_doors
			WHERE region = $1 AND zone_id = zone.id AND door_id > $6 AND door_id < $7 AND org = $3` + holds + `
			ORDER BY id LIMIT $8
		) inside`
)

// source is one of the queries above.
type source struct {
	query string
	of    []string // $2
	open  []string // $9; nil: the query has none
}

func (s source) args(l *loader, from, end string, each int) []any {
	all := []any{l.q.Home, s.of, l.q.Org, l.known, l.q.Moment.At, from, end, each}
	if s.query == peopleOfGroups {
		all[0] = l.around // memberships are in all regions of the jurisdiction
	}
	if s.open != nil {
		all = append(all, s.open)
	}
	return all
}

// fewest is how many are read of a list at least: with less, more round trips would be needed than rows are saved.
const fewest = 8

// page merges many ascending lists into the first ids after one, each once, up to limit. Of each list only a few are read:
// the page's share of it, and some more. What is complete is what is not after the end of any list that has more. When that
// is less than a page, it goes on from there with twice as many of each. So neither the length of the lists nor their past
// beyond the page's end is read.
func (l *loader) page(ctx context.Context, kind region.Kind, after string, limit int, sources ...source) ([]region.ID, error) {
	from, end := max(string(kind)+"_", after), string(kind)+"`"
	lists := 0
	for _, s := range sources {
		lists += len(s.of)
	}
	if lists == 0 {
		return nil, nil
	}
	var ids []region.ID
	for each := min(limit, max(fewest, 4*limit/lists)); ; each = min(limit, 2*each) {
		found, until, err := l.heads(ctx, sources, from, end, each)
		if err != nil {
			return nil, err
		}
		ids = append(ids, found...)
		if len(ids) >= limit {
			return ids[:limit], nil
		}
		if until == end {
			return ids, nil
		}
		from = until
	}
}

// heads reads up to `each` ids of every list after `from`. It returns those up to `until`, which is `end` when no list has more.
func (l *loader) heads(ctx context.Context, sources []source, from, end string, each int) (ids []region.ID, until string, err error) {
	type head struct {
		n    int
		last string
	}
	heads := map[string]head{}
	read := func(rows pgx.Rows) error {
		return eachPair(rows, func(list, id string) {
			h := heads[list]
			heads[list] = head{h.n + 1, max(h.last, id)}
			ids = append(ids, region.ID(id))
		})
	}
	err = l.send(ctx, func(batch *pgx.Batch) {
		for _, s := range sources {
			if len(s.of) > 0 {
				batch.Queue(s.query, s.args(l, from, end, each)...).Query(read)
			}
		}
	})
	if err != nil {
		return nil, "", err
	}
	until = end
	for _, h := range heads {
		if h.n == each {
			until = min(until, h.last)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return slices.DeleteFunc(ids, func(id region.ID) bool { return string(id) > until }), until, nil
}
