package postgres

import (
	"github.com/cardea-mesh/cardea/services/policy"
	"github.com/jackc/pgx/v5"
)

// From the people upwards: each pair once, so a circle ends by itself.
const factGroups = `WITH RECURSIVE up (child, parent) AS (
		SELECT member_id, group_id FROM memberships
		WHERE region = ANY ($1::TEXT[]::crdb_internal_region[]) AND member_id = ANY ($2) AND org = $3` + holds + `
	UNION
		SELECT member_id, group_id FROM up JOIN memberships ON member_id = up.parent
		WHERE region = ANY ($1::TEXT[]::crdb_internal_region[]) AND org = $3` + holds + `
	)
	SELECT child, parent FROM up`

// groups asks for the groups of people, in all regions of the jurisdiction.
func (l *loader) groups(people []string) func(*pgx.Batch) {
	return func(batch *pgx.Batch) {
		if len(people) == 0 {
			return
		}
		read := func(rows pgx.Rows) error {
			return eachPair(rows, func(member, group string) {
				l.facts.AddMember(policy.GroupID(group), policy.SubjectID(member))
				l.subjects.add(group)
			})
		}
		batch.Queue(factGroups, l.around, people, l.q.Org, l.known, l.q.Moment.At).Query(read)
	}
}
