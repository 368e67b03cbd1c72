package postgres

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
	"github.com/jackc/pgx/v5"
)

// In all that follows a row counts when it was known at one moment (recorded_at <= known < superseded_at) and holds at
// another (valid_from <= at < valid_to). What is known now is what is known at the end of time: only rows that are not
// superseded are known then.
var endOfTime = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

func known(m grants.Moment) time.Time {
	if m.KnownAt.IsZero() {
		return endOfTime
	}
	return m.KnownAt
}

const factDoors = `SELECT id FROM doors
	WHERE region = $1 AND id = ANY ($2) AND org = $3
		AND recorded_at <= $4 AND (superseded_at IS NULL OR superseded_at > $4)
		AND valid_from <= $5 AND (valid_to IS NULL OR valid_to > $5)`

const factZones = `SELECT door_id, zone_id FROM zone_doors
	WHERE region = $1 AND door_id = ANY ($2) AND org = $3
		AND recorded_at <= $4 AND (superseded_at IS NULL OR superseded_at > $4)
		AND valid_from <= $5 AND (valid_to IS NULL OR valid_to > $5)`

// From the people upwards: each group once, however it is reached, so a circle ends by itself.
const factGroups = `WITH RECURSIVE up (group_id, member_id) AS (
		SELECT group_id, member_id FROM memberships
		WHERE region = ANY ($1::TEXT[]::crdb_internal_region[]) AND member_id = ANY ($2) AND org = $3
			AND recorded_at <= $4 AND (superseded_at IS NULL OR superseded_at > $4)
			AND valid_from <= $5 AND (valid_to IS NULL OR valid_to > $5)
	UNION
		SELECT m.group_id, m.member_id FROM memberships m JOIN up ON m.member_id = up.group_id
		WHERE m.region = ANY ($1::TEXT[]::crdb_internal_region[]) AND m.org = $3
			AND m.recorded_at <= $4 AND (m.superseded_at IS NULL OR m.superseded_at > $4)
			AND m.valid_from <= $5 AND (m.valid_to IS NULL OR m.valid_to > $5)
	)
	SELECT group_id, member_id FROM up`

// A grant that does not hold at the time is a fact as well: it tells why not. A revoked one is none once it has ended, as
// it is none at the doors.
const factGrants = `SELECT id, subject_id, target_id, schedule_id, valid_from, valid_to FROM grants
	WHERE region = $1 AND target_id = ANY ($2) AND subject_id = ANY ($6) AND org = $3
		AND recorded_at <= $4 AND (superseded_at IS NULL OR superseded_at > $4)
		AND (NOT revoked OR (valid_from <= $5 AND valid_to > $5))`

const factSchedules = `SELECT id, time_zone, spec FROM schedules
	WHERE region = $1 AND id = ANY ($2) AND org = $3
		AND recorded_at <= $4 AND (superseded_at IS NULL OR superseded_at > $4)
		AND valid_from <= $5 AND (valid_to IS NULL OR valid_to > $5)`

// Facts implements grants.Reader in two round trips: places and groups, then the grants between them with their schedules.
func (r *reader) Facts(ctx context.Context, q grants.FactsQuery) (*policy.Snapshot, error) {
	l := loader{reader: r, q: q, known: known(q.Moment), facts: policy.NewSnapshot()}
	if err := l.placesAndGroups(ctx); err != nil {
		return nil, wrap(err, "load doors, zones and groups")
	}
	schedules, err := l.grants(ctx)
	if err != nil {
		return nil, wrap(err, "load grants")
	}
	return l.facts, wrap(l.schedules(ctx, schedules), "load schedules")
}

// loader fills one snapshot.
type loader struct {
	*reader
	q     grants.FactsQuery
	known time.Time
	facts *policy.Snapshot

	subjects, targets []string // of the grants that matter
}

func (l *loader) placesAndGroups(ctx context.Context) error {
	around, err := l.around(l.q.Home)
	if err != nil {
		return err
	}
	doors, people := texts(l.q.Doors), texts(l.q.People)
	l.targets = append(l.targets, doors...)
	l.subjects = append(l.subjects, people...)
	zones := map[string][]policy.ZoneID{}
	var batch pgx.Batch
	batch.Queue(factZones, l.q.Home, doors, l.q.Org, l.known, l.q.Moment.At).Query(func(rows pgx.Rows) error {
		return eachPair(rows, func(door, zone string) {
			zones[door] = append(zones[door], policy.ZoneID(zone))
			l.targets = append(l.targets, zone)
		})
	})
	batch.Queue(factDoors, l.q.Home, doors, l.q.Org, l.known, l.q.Moment.At).Query(func(rows pgx.Rows) error {
		var id string
		_, err := pgx.ForEachRow(rows, []any{&id}, func() error {
			l.facts.AddDoor(policy.Door{ID: policy.DoorID(id), Zones: zones[id]})
			return nil
		})
		return err
	})
	batch.Queue(factGroups, around, people, l.q.Org, l.known, l.q.Moment.At).Query(func(rows pgx.Rows) error {
		return eachPair(rows, func(group, member string) {
			l.facts.AddMember(policy.GroupID(group), policy.SubjectID(member))
			l.subjects = append(l.subjects, group)
		})
	})
	return l.tx.SendBatch(ctx, &batch).Close()
}

// grants adds the grants and returns the ids of their schedules.
func (l *loader) grants(ctx context.Context) (schedules []string, err error) {
	rows, err := l.tx.Query(ctx, factGrants, l.q.Home, unique(l.targets), l.q.Org, l.known, l.q.Moment.At, unique(l.subjects))
	if err != nil {
		return nil, err
	}
	var g policy.Grant
	var to *time.Time
	_, err = pgx.ForEachRow(rows, []any{&g.ID, &g.Subject, &g.Target, &g.Schedule, &g.ValidFrom, &to}, func() error {
		g.ValidTo = ends(to)
		l.facts.AddGrant(g)
		if g.Schedule != "" {
			schedules = append(schedules, string(g.Schedule))
		}
		return nil
	})
	return unique(schedules), err
}

// schedules adds what can be made. One that cannot is left out: its grants then do not hold.
func (l *loader) schedules(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	rows, err := l.tx.Query(ctx, factSchedules, l.q.Home, ids, l.q.Org, l.known, l.q.Moment.At)
	if err != nil {
		return err
	}
	var id, zone string
	var stored []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &zone, &stored}, func() error {
		spec, err := decodeSpec(stored)
		if err != nil {
			return err
		}
		if schedule, err := policy.NewSchedule(zone, spec); err == nil {
			l.facts.AddSchedule(policy.ScheduleID(id), schedule)
		}
		return nil
	})
	return err
}

func eachPair(rows pgx.Rows, do func(a, b string)) error {
	var a, b string
	_, err := pgx.ForEachRow(rows, []any{&a, &b}, func() error {
		do(a, b)
		return nil
	})
	return err
}

func unique(all []string) []string {
	seen := make(map[string]bool, len(all))
	kept := all[:0]
	for _, s := range all {
		if !seen[s] {
			seen[s] = true
			kept = append(kept, s)
		}
	}
	return kept
}

// From the door's grants downwards.
const peopleOfDoor = `WITH RECURSIVE down (id) AS (
		SELECT subject_id FROM grants
		WHERE region = $1 AND org = $3
			AND recorded_at <= $4 AND (superseded_at IS NULL OR superseded_at > $4)
			AND valid_from <= $5 AND (valid_to IS NULL OR valid_to > $5)
			AND (target_id = $2 OR target_id IN (
				SELECT zone_id FROM zone_doors
				WHERE region = $1 AND door_id = $2 AND org = $3
					AND recorded_at <= $4 AND (superseded_at IS NULL OR superseded_at > $4)
					AND valid_from <= $5 AND (valid_to IS NULL OR valid_to > $5)))
	UNION
		SELECT m.member_id FROM memberships m JOIN down ON m.group_id = down.id
		WHERE m.region = ANY ($6::TEXT[]::crdb_internal_region[]) AND m.org = $3
			AND m.recorded_at <= $4 AND (m.superseded_at IS NULL OR m.superseded_at > $4)
			AND m.valid_from <= $5 AND (m.valid_to IS NULL OR m.valid_to > $5)
	)
	SELECT id FROM down WHERE id LIKE 'person%' AND id > $7 ORDER BY id LIMIT $8`

func (r *reader) PeopleOf(ctx context.Context, org, door region.ID, m grants.Moment, after string, limit int) ([]region.ID, error) {
	home, err := r.home(door)
	if err != nil {
		return nil, err
	}
	around, err := r.around(home)
	if err != nil {
		return nil, err
	}
	people, err := r.ids(ctx, peopleOfDoor, home, door, org, known(m), m.At, around, after, limit)
	return people, wrap(err, "list the people of %s", door)
}

// From the person upwards, and along their grants.
const doorsOfPerson = `WITH RECURSIVE up (id) AS (
		SELECT $2::TEXT
	UNION
		SELECT m.group_id FROM memberships m JOIN up ON m.member_id = up.id
		WHERE m.region = ANY ($6::TEXT[]::crdb_internal_region[]) AND m.org = $3
			AND m.recorded_at <= $4 AND (m.superseded_at IS NULL OR m.superseded_at > $4)
			AND m.valid_from <= $5 AND (m.valid_to IS NULL OR m.valid_to > $5)
	), targets (id) AS (
		SELECT g.target_id FROM grants g JOIN up ON g.subject_id = up.id
		WHERE g.region = $1 AND g.org = $3
			AND g.recorded_at <= $4 AND (g.superseded_at IS NULL OR g.superseded_at > $4)
			AND g.valid_from <= $5 AND (g.valid_to IS NULL OR g.valid_to > $5)
	), doors_of_targets (id) AS (
		SELECT id FROM targets WHERE id LIKE 'door%'
	UNION
		SELECT z.door_id FROM zone_doors z JOIN targets ON z.zone_id = targets.id
		WHERE z.region = $1 AND z.org = $3
			AND z.recorded_at <= $4 AND (z.superseded_at IS NULL OR z.superseded_at > $4)
			AND z.valid_from <= $5 AND (z.valid_to IS NULL OR z.valid_to > $5)
	)
	SELECT id FROM doors_of_targets WHERE id > $7 ORDER BY id LIMIT $8`

func (r *reader) DoorsFor(ctx context.Context, org, person region.ID, home region.Name, m grants.Moment, after string, limit int) ([]region.ID, error) {
	around, err := r.around(home)
	if err != nil {
		return nil, err
	}
	doors, err := r.ids(ctx, doorsOfPerson, home, person, org, known(m), m.At, around, after, limit)
	return doors, wrap(err, "list the doors of %s", person)
}
