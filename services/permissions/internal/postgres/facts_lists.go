package postgres

import (
	"context"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// The lists come in pages by id. What may be many (the members of a group, the doors of a zone) is read in the order of an
// index from the page's beginning, as many as fit on it, group by group and zone by zone; what is few (groups in groups,
// zones in zones) is walked for every page. So a page costs the same however long the list is.
//
// Ids of one kind are a range: from `person_` to before the byte after the underscore.

// From the door's grants downwards. $6 to $8: the page's bounds and size; $9: the regions of the jurisdiction.
const peopleOfDoor = `WITH RECURSIVE zones_above (id) AS (
		SELECT zone_id FROM zone_doors
		WHERE region = $1 AND door_id = $2 AND org = $3` + holds + `
	UNION
		SELECT parent_id FROM zones_above JOIN zone_zones ON child_id = zones_above.id
		WHERE region = $1 AND org = $3` + holds + `
	), targets (target) AS (
		SELECT $2::TEXT UNION ALL SELECT id FROM zones_above
	), groups_below (id) AS (
		SELECT subject_id FROM targets JOIN grants ON target_id = target
		WHERE region = $1 AND org = $3 AND subject_id >= 'group_' AND subject_id < 'group` + "`'" + holds + `
	UNION
		SELECT member_id FROM groups_below JOIN memberships ON group_id = groups_below.id
		WHERE region = ANY ($9::TEXT[]::crdb_internal_region[]) AND org = $3
			AND member_id >= 'group_' AND member_id < 'group` + "`'" + holds + `
	)
	SELECT DISTINCT person FROM (
		SELECT direct.person FROM targets CROSS JOIN LATERAL (
			SELECT DISTINCT subject_id AS person FROM grants
			WHERE region = $1 AND target_id = target AND subject_id > $6 AND subject_id < $7 AND org = $3` + holds + `
			ORDER BY person LIMIT $8
		) direct
		UNION ALL
		SELECT member.person FROM groups_below CROSS JOIN unnest($9::TEXT[]) AS neighbour (name) CROSS JOIN LATERAL (
			SELECT DISTINCT member_id AS person FROM memberships
			WHERE region = neighbour.name::crdb_internal_region AND group_id = groups_below.id
				AND member_id > $6 AND member_id < $7 AND org = $3` + holds + `
			ORDER BY person LIMIT $8
		) member
	) found ORDER BY person LIMIT $8`

func (r *reader) PeopleOf(ctx context.Context, org, door region.ID, m grants.Moment, after string, limit int) ([]region.ID, error) {
	home, err := r.home(door)
	if err != nil {
		return nil, err
	}
	return r.page(ctx, peopleOfDoor, home, door, org, m, region.Person, after, limit)
}

// From the person upwards, and along their grants down to doors. Parameters as above.
const doorsOfPerson = `WITH RECURSIVE subjects (id) AS (
		SELECT $2::TEXT
	UNION
		SELECT group_id FROM subjects JOIN memberships ON member_id = subjects.id
		WHERE region = ANY ($9::TEXT[]::crdb_internal_region[]) AND org = $3` + holds + `
	), zones_below (id) AS (
		SELECT target_id FROM subjects JOIN grants ON subject_id = subjects.id
		WHERE region = $1 AND org = $3 AND target_id >= 'zone_' AND target_id < 'zone` + "`'" + holds + `
	UNION
		SELECT child_id FROM zones_below JOIN zone_zones ON parent_id = zones_below.id
		WHERE region = $1 AND org = $3` + holds + `
	)
	SELECT DISTINCT door FROM (
		SELECT direct.door FROM subjects CROSS JOIN LATERAL (
			SELECT DISTINCT target_id AS door FROM grants
			WHERE region = $1 AND subject_id = subjects.id AND target_id > $6 AND target_id < $7 AND org = $3` + holds + `
			ORDER BY door LIMIT $8
		) direct
		UNION ALL
		SELECT inside.door FROM zones_below CROSS JOIN LATERAL (
			SELECT DISTINCT door_id AS door FROM zone_doors
			WHERE region = $1 AND zone_id = zones_below.id AND door_id > $6 AND door_id < $7 AND org = $3` + holds + `
			ORDER BY door LIMIT $8
		) inside
	) found ORDER BY door LIMIT $8`

func (r *reader) DoorsFor(ctx context.Context, org, person region.ID, home region.Name, m grants.Moment, after string, limit int) ([]region.ID, error) {
	return r.page(ctx, doorsOfPerson, home, person, org, m, region.Door, after, limit)
}

func (r *reader) page(ctx context.Context, query string, home region.Name, of, org region.ID, m grants.Moment, kind region.Kind, after string, limit int) ([]region.ID, error) {
	around, err := r.around(home)
	if err != nil {
		return nil, err
	}
	from, to := string(kind)+"_", string(kind)+"`"
	if after > from {
		from = after
	}
	ids, err := r.ids(ctx, query, home, of, org, known(m), m.At, from, to, limit, around)
	return ids, wrap(err, "list every %s of %s", kind, of)
}

const everADoor = `SELECT count(*) FROM (SELECT 1 FROM doors WHERE region = $1 AND id = $2 AND org = $3 LIMIT 1) rows_of_it`

// DoorEver implements grants.PastReader.
func (r *reader) DoorEver(ctx context.Context, org, door region.ID) (bool, error) {
	home, err := r.home(door)
	if err != nil {
		return false, err
	}
	var rows int
	err = r.tx.QueryRow(ctx, everADoor, home, door, org).Scan(&rows)
	return rows > 0, wrap(err, "look for %s", door)
}
