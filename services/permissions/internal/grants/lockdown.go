package grants

import (
	"context"
	"fmt"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// StartLockdown keeps a door, a zone or a site closed from the commit's moment on, for a time (0: until somebody ends it).
func (c Commands) StartLockdown(ctx context.Context, tx Tx, l Lockdown, length time.Duration) (Created, error) {
	if l.Rank < 1 || l.Rank > policy.MaxLockdownRank {
		return Created{}, fmt.Errorf("%w: rank: %d is not 1 to %d", ErrInvalid, l.Rank, policy.MaxLockdownRank)
	}
	if !plain(l.Note) {
		return Created{}, fmt.Errorf("%w: note: not UTF-8, or with a control character", ErrInvalid)
	}
	home, commit, err := c.commitAt(ctx, tx, l.Target, l.Org)
	if err != nil {
		return Created{}, err
	}
	if l.Site, err = siteOf(ctx, tx, l.Org, l.Target); err != nil {
		return Created{}, err
	}
	if l.ID, err = c.newID(region.Lockdown, home); err != nil {
		return Created{}, err
	}
	l.Validity, l.Version = Validity{From: commit.At()}, commit.Token().Version
	if length > 0 {
		l.Validity.To = Instant(commit.At().Add(length))
	}
	if err := tx.AddLockdown(ctx, commit, l); err != nil {
		return Created{}, err
	}
	return Created{l.ID, commit.Token()}, commit.Record(LockdownStarted{l})
}

// EndLockdown ends a lockdown at the commit's moment. One that ran out by itself is ended as well: its published fact goes.
// Ending again returns the head.
func (c Commands) EndLockdown(ctx context.Context, tx Tx, org, id region.ID) (Token, error) {
	l, err := tx.Lockdown(ctx, org, id)
	if err != nil {
		return Token{}, err
	}
	if l.Ended {
		return c.head(ctx, tx, id, org)
	}
	_, commit, err := c.commitAt(ctx, tx, id, org)
	if err != nil {
		return Token{}, err
	}
	return commit.Token(), endLockdown(ctx, tx, commit, l)
}

// siteOf is the site under which what concerns a door, a zone or a site is published.
func siteOf(ctx context.Context, r Reader, org, target region.ID) (region.ID, error) {
	switch target.Kind() {
	case region.Site:
		site, err := r.Site(ctx, org, target)
		return site.ID, err
	case region.Zone:
		zone, err := r.Zone(ctx, org, target)
		return zone.Site, err
	default:
		door, err := r.Door(ctx, org, target)
		return door.Site, err
	}
}

func endLockdown(ctx context.Context, tx Tx, commit Commit, l Lockdown) error {
	if err := tx.EndLockdown(ctx, commit, l, l.Validity.EndedAt(commit.At())); err != nil {
		return err
	}
	return commit.Record(LockdownEnded{l})
}
