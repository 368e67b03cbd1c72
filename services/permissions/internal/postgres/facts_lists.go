package postgres

import (
	"context"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
	"github.com/jackc/pgx/v5"
)

// Who is in a list is found in steps of a round trip each, as Facts are: every statement has its ids and with them its index,
// where one large statement is joined by reading all grants of all groups as soon as the planner errs.
//
//  1. what is above: the zones of the door, the groups of the person;
//  2. which groups, or zones, the grants of those name that hold at the time, and with which schedules;
//  3. the schedules: a grant whose schedule excludes the time admits nobody, and at night that is most of them;
//  4. the groups in those groups, the zones in those zones;
//  5. a page of the people in those groups, or doors in those zones, and of those whom grants name themselves (facts_merge.go).
//
// Ids of one kind are a range: from `person_` to before the byte after the underscore.

const (
	// Which groups grants of the targets name, '' for people; and with which schedules.
	groupsOfTargets = `SELECT DISTINCT schedule_id, CASE WHEN subject_id >= 'group_' AND subject_id < 'group` + "`'" + ` THEN subject_id ELSE '' END
		FROM grants WHERE region = $1 AND target_id = ANY ($2) AND org = $3` + holds

	// Which zones grants to the subjects name, '' for doors; and with which schedules.
	zonesOfSubjects = `SELECT DISTINCT schedule_id, CASE WHEN target_id >= 'zone_' AND target_id < 'zone` + "`'" + ` THEN target_id ELSE '' END
		FROM grants WHERE region = $1 AND subject_id = ANY ($2) AND org = $3` + holds

	groupsInGroups = `SELECT member_id FROM memberships
		WHERE region = ANY ($1::TEXT[]::crdb_internal_region[]) AND group_id = ANY ($2)
			AND member_id >= 'group_' AND member_id < 'group` + "`'" + ` AND org = $3` + holds

	zonesInZones = `SELECT child_id FROM zone_zones WHERE region = $1 AND parent_id = ANY ($2) AND org = $3` + holds
)

func (r *reader) PeopleOf(ctx context.Context, org, door region.ID, m grants.Moment, after string, limit int) ([]region.ID, error) {
	home, err := r.home(door)
	if err != nil {
		return nil, err
	}
	l, err := r.loader(grants.FactsQuery{Org: org, Home: home, Doors: []region.ID{door}, Moment: m})
	if err != nil {
		return nil, err
	}
	ids, err := l.peopleOf(ctx, after, limit)
	return ids, wrap(err, "list the people of %s", door)
}

func (l *loader) peopleOf(ctx context.Context, after string, limit int) ([]region.ID, error) {
	if err := l.send(ctx, l.places); err != nil {
		return nil, err
	}
	groups, open, err := l.named(ctx, groupsOfTargets, l.targets())
	if err != nil || len(open) == 0 {
		return nil, err
	}
	if err := l.descend(ctx, groupsInGroups, l.around, &groups); err != nil {
		return nil, err
	}
	return l.page(ctx, region.Person, after, limit, source{peopleOfGrants, l.targets(), open}, source{peopleOfGroups, groups.all, nil})
}

func (r *reader) DoorsFor(ctx context.Context, org, person region.ID, home region.Name, m grants.Moment, after string, limit int) ([]region.ID, error) {
	l, err := r.loader(grants.FactsQuery{Org: org, Home: home, People: []region.ID{person}, Moment: m})
	if err != nil {
		return nil, err
	}
	ids, err := l.doorsFor(ctx, after, limit)
	return ids, wrap(err, "list the doors of %s", person)
}

func (l *loader) doorsFor(ctx context.Context, after string, limit int) ([]region.ID, error) {
	var groups []string
	if err := l.send(ctx, l.groups(l.subjects.all, &groups)); err != nil {
		return nil, err
	}
	if err := l.climb(ctx, groups); err != nil {
		return nil, err
	}
	zones, open, err := l.named(ctx, zonesOfSubjects, l.subjects.all)
	if err != nil || len(open) == 0 {
		return nil, err
	}
	if err := l.descend(ctx, zonesInZones, l.q.Home, &zones); err != nil {
		return nil, err
	}
	return l.page(ctx, region.Door, after, limit, source{doorsOfGrants, l.subjects.all, open}, source{doorsOfZones, zones.all, nil})
}

// named returns the groups, or zones, that grants of ids name and whose schedules include the time; open are these schedules,
// those of grants that name a person or a door among them, and ” where there is none.
func (l *loader) named(ctx context.Context, query string, ids []string) (names set, open []string, err error) {
	names = newSet(nil)
	var of [][2]string // schedule, name
	asked := newSet(nil)
	err = l.send(ctx, func(batch *pgx.Batch) {
		l.ask(batch, query, ids, func(rows pgx.Rows) error {
			return eachPair(rows, func(schedule, name string) {
				asked.add(schedule)
				of = append(of, [2]string{schedule, name})
			})
		})
	})
	if err != nil {
		return names, nil, err
	}
	l.schedules = asked // those of the door's own rules are not asked about here
	if err := l.send(ctx, l.timetables); err != nil {
		return names, nil, err
	}
	seen := map[string]bool{}
	for _, pair := range of {
		if schedule, name := pair[0], pair[1]; l.includes(schedule) {
			names.add(name)
			if !seen[schedule] {
				seen[schedule], open = true, append(open, schedule)
			}
		}
	}
	return names, open, nil
}

// includes says whether a grant with the schedule may hold at the time. One that could not be loaded admits nobody.
func (l *loader) includes(id string) bool {
	if id == "" {
		return true
	}
	schedule, is := l.facts.Schedule(policy.ScheduleID(id))
	return is && schedule.Contains(l.q.Moment.At)
}

// descend adds to ids what is inside them, level by level, as climb does; in is the region, or the regions, of query.
func (l *loader) descend(ctx context.Context, query string, in any, ids *set) error {
	for level, next := 0, ids.all; level <= policy.MaxGroupDepth && len(next) > 0; level++ {
		met := len(ids.all)
		err := l.send(ctx, func(batch *pgx.Batch) {
			batch.Queue(query, in, next, l.q.Org, l.known, l.q.Moment.At).Query(func(rows pgx.Rows) error {
				var id string
				_, err := pgx.ForEachRow(rows, []any{&id}, func() error {
					ids.add(id)
					return nil
				})
				return err
			})
		})
		if err != nil {
			return err
		}
		next = ids.all[met:]
	}
	return nil
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
