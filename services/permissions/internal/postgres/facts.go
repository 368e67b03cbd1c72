package postgres

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/policy"
	"github.com/jackc/pgx/v5"
)

// In all that follows a row counts when it was known at one moment (recorded_at <= known < superseded_at) and holds at
// another (valid_from <= at < valid_to). What is known now is what is known at the end of time: only rows that are not
// superseded are known then. Every query of facts takes the two moments as $4 and $5, after the home region, ids and the
// organization.
const (
	isKnown = ` AND recorded_at <= $4 AND (superseded_at IS NULL OR superseded_at > $4)`
	holds   = isKnown + ` AND valid_from <= $5 AND (valid_to IS NULL OR valid_to > $5)`
)

var endOfTime = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

func known(m grants.Moment) time.Time {
	if m.KnownAt.IsZero() {
		return endOfTime
	}
	return m.KnownAt
}

// Facts implements grants.Reader in a few round trips: the doors with the zones above them and the people's groups, the
// groups above those, level by level; then what names them (grants, lockdowns, the zones' rules); then the schedules that
// those name. Where grants are shares, those that they were shared from and the groups of who shared are fetched as well.
func (r *reader) Facts(ctx context.Context, q grants.FactsQuery) (*policy.Snapshot, error) {
	l, err := r.loader(q)
	if err != nil {
		return nil, err
	}
	var groups []string
	if err := l.send(ctx, l.places, l.groups(l.subjects.all, &groups)); err != nil {
		return nil, wrap(err, "load doors, zones and groups")
	}
	if err := l.climb(ctx, groups); err != nil {
		return nil, wrap(err, "load groups of groups")
	}
	if err := l.send(ctx, l.grantsBetween, l.rulesOfZones, l.lockdowns); err != nil {
		return nil, wrap(err, "load grants, zones' rules and lockdowns")
	}
	if err := l.shares(ctx); err != nil {
		return nil, wrap(err, "load what was shared, and by whom")
	}
	return l.facts, wrap(l.send(ctx, l.timetables), "load schedules")
}

func (r *reader) loader(q grants.FactsQuery) (*loader, error) {
	around, err := r.around(q.Home)
	if err != nil {
		return nil, err
	}
	return &loader{
		tx: r.tx, q: q, around: around, known: known(q.Moment), facts: policy.NewSnapshot(),
		subjects: newSet(texts(q.People)), doors: newSet(texts(q.Doors)), zones: newSet(nil), sites: newSet(nil),
		schedules: newSet(nil), sharers: newSet(nil), parents: newSet(nil), grants: newSet(nil),
	}, nil
}

// loader fills one snapshot.
type loader struct {
	tx     pgx.Tx
	q      grants.FactsQuery
	around []string // the regions of the jurisdiction
	known  time.Time
	facts  *policy.Snapshot

	subjects, doors, zones, sites set // that facts may name
	schedules                     set // that grants and doors name
	parents, sharers              set // of shares
	grants                        set // that are in facts
}

// send asks several questions in one round trip.
func (l *loader) send(ctx context.Context, questions ...func(*pgx.Batch)) error {
	var batch pgx.Batch
	for _, ask := range questions {
		ask(&batch)
	}
	if batch.Len() == 0 {
		return nil
	}
	return l.tx.SendBatch(ctx, &batch).Close()
}

// ask queues a query with the usual parameters.
func (l *loader) ask(batch *pgx.Batch, sql string, ids []string, read func(pgx.Rows) error) {
	batch.Queue(sql, l.q.Home, ids, l.q.Org, l.known, l.q.Moment.At).Query(read)
}

func eachPair(rows pgx.Rows, do func(a, b string)) error {
	var a, b string
	_, err := pgx.ForEachRow(rows, []any{&a, &b}, func() error {
		do(a, b)
		return nil
	})
	return err
}

// set is ids in the order in which they were met, each once. The empty id is none.
type set struct {
	all  []string
	seen map[string]bool
}

func newSet(ids []string) set {
	s := set{seen: make(map[string]bool, len(ids))}
	for _, id := range ids {
		s.add(id)
	}
	return s
}

// add tells whether the id was new.
func (s *set) add(id string) bool {
	if id == "" || s.seen[id] {
		return false
	}
	s.seen[id] = true
	s.all = append(s.all, id)
	return true
}

func (l *loader) targets() []string {
	return append(append([]string{}, l.doors.all...), l.zones.all...)
}
