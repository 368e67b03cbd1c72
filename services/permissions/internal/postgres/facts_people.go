package postgres

import (
	"context"

	"github.com/cardea-mesh/cardea/services/policy"
	"github.com/jackc/pgx/v5"
)

const factGroups = `SELECT member_id, group_id FROM memberships
	WHERE region = ANY ($1::TEXT[]::crdb_internal_region[]) AND member_id = ANY ($2) AND org = $3` + holds

// groups asks for the groups that people or groups are directly in, in all regions of the jurisdiction. What was not met
// before is added to above.
func (l *loader) groups(members []string, above *[]string) func(*pgx.Batch) {
	return func(batch *pgx.Batch) {
		if len(members) == 0 {
			return
		}
		read := func(rows pgx.Rows) error {
			return eachPair(rows, func(member, group string) {
				l.facts.AddMember(policy.GroupID(group), policy.SubjectID(member))
				if l.subjects.add(group) {
					*above = append(*above, group)
				}
			})
		}
		batch.Queue(factGroups, l.around, members, l.q.Org, l.known, l.q.Moment.At).Query(read)
	}
}

// climb asks for the groups above groups, a round trip for each level: a recursive query would be one, but where the
// planner expects many it joins by reading the whole table, years of it. One level more than policy follows shows that
// there are too many.
func (l *loader) climb(ctx context.Context, groups []string) error {
	for level := 1; level <= policy.MaxGroupDepth && len(groups) > 0; level++ {
		var above []string
		if err := l.send(ctx, l.groups(groups, &above)); err != nil {
			return err
		}
		groups = above
	}
	return nil
}
