package postgres

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
	"github.com/jackc/pgx/v5"
)

// All that was known of each grant, ended and future pieces too: a grant that does not hold at the time is a fact as
// well, it tells why not.
const (
	grantPieces = `SELECT id, subject_id, target_id, schedule_id, max_uses, override_rank, shared_from, sharer, revoked, valid_from, valid_to
		FROM grants `

	factGrants = grantPieces + `WHERE region = $1 AND target_id = ANY ($2) AND subject_id = ANY ($5) AND org = $3` + isKnown + `
		ORDER BY id, valid_from`

	// What a share was shared from, and that in turn, $5 times at most.
	factParents = `WITH RECURSIVE up (parent, level) AS (
			SELECT unnest($2::TEXT[]), 1
		UNION
			SELECT shared_from, up.level + 1 FROM up JOIN grants ON id = up.parent
			WHERE region = $1 AND org = $3` + isKnown + ` AND shared_from <> '' AND up.level < $5::INT
		)
		` + grantPieces + `WHERE region = $1 AND id IN (SELECT parent FROM up) AND org = $3` + isKnown + `
		ORDER BY id, valid_from`
)

// grantsBetween asks for the grants that name one of the subjects and one of the targets.
func (l *loader) grantsBetween(batch *pgx.Batch) {
	batch.Queue(factGrants, l.q.Home, l.targets(), l.q.Org, l.known, l.subjects.all).Query(l.readGrants)
}

// shares asks for the grants above shares, and for the groups of those who shared: they must hold them.
func (l *loader) shares(ctx context.Context) error {
	if len(l.parents.all) == 0 {
		return nil
	}
	err := l.send(ctx, func(batch *pgx.Batch) {
		batch.Queue(factParents, l.q.Home, l.parents.all, l.q.Org, l.known, policy.MaxShareDepth).Query(l.readGrants)
	})
	if err != nil {
		return err
	}
	var sharers, groups []string
	for _, person := range l.sharers.all {
		if l.subjects.add(person) { // the others' groups are here already
			sharers = append(sharers, person)
		}
	}
	if err := l.send(ctx, l.groups(sharers, &groups)); err != nil {
		return err
	}
	return l.climb(ctx, groups)
}

// piece is a row of a grant: what holds of it for a time.
type piece struct {
	policy.Grant
	revoked bool
}

// readGrants takes rows ordered by grant and time.
func (l *loader) readGrants(rows pgx.Rows) error {
	var p piece
	var to *time.Time
	var pieces []piece // of one grant
	flush := func() {
		if len(pieces) > 0 {
			l.addGrant(pieces)
		}
		pieces = pieces[:0]
	}
	_, err := pgx.ForEachRow(rows, []any{
		&p.ID, &p.Subject, &p.Target, &p.Schedule, &p.MaxUses, &p.OverrideRank, &p.SharedFrom, &p.Sharer, &p.revoked, &p.ValidFrom, &to,
	}, func() error {
		if len(pieces) > 0 && pieces[0].ID != p.ID {
			flush()
		}
		p.ValidTo = ends(to)
		pieces = append(pieces, p)
		return nil
	})
	flush()
	return err
}

func (l *loader) addGrant(pieces []piece) {
	g, is := grantAt(pieces, l.q.Moment.At)
	if !is || !l.grants.add(string(g.ID)) {
		return
	}
	l.facts.AddGrant(g)
	l.schedules.add(string(g.Schedule))
	l.parents.add(string(g.SharedFrom))
	l.sharers.add(string(g.Sharer))
}

// grantAt is what a grant is at a moment: the piece that holds; otherwise the next one to come; otherwise the last one. A
// piece that was revoked, or replaced by another, is none where it does not hold, as it is none at the doors.
func grantAt(pieces []piece, at time.Time) (g policy.Grant, is bool) {
	var next, last *piece
	for i := range pieces {
		p := &pieces[i]
		ended := !p.ValidTo.IsZero() && !at.Before(p.ValidTo)
		switch {
		case !at.Before(p.ValidFrom) && !ended:
			return p.Grant, true
		case p.revoked:
		case ended:
			last = p
		case next == nil:
			next = p
		}
	}
	if next == nil {
		next = last
	}
	if next == nil {
		return policy.Grant{}, false
	}
	return next.Grant, true
}
