package grants

import (
	"context"
	"fmt"
	"time"
)

// UpdateGrant makes a grant what g says, from the commit's moment on: schedule, validity, uses, rank and share depth. A
// zero Validity.From leaves it as it is; what has held so far stays true, so it can only be moved into the future. A grant
// that never held is replaced as a whole. Shares that exceed what is left are narrowed, or revoked where nothing is left
// of them. An update whose content is there already changes nothing, whatever etag it bears.
func (c Commands) UpdateGrant(ctx context.Context, tx Tx, g Grant, etag string) (Grant, Token, error) {
	home, err := c.Regions.Home(g.ID)
	if err != nil {
		return Grant{}, Token{}, err
	}
	was, err := tx.Grant(ctx, g.Org, g.ID)
	if err != nil {
		return Grant{}, Token{}, err
	}
	if was.Revoked {
		return Grant{}, Token{}, fmt.Errorf("%w: grant %s is revoked: make another one", ErrForbidden, g.ID)
	}
	now := was
	now.Schedule, now.MaxUses, now.OverrideRank, now.ShareDepth = g.Schedule, g.MaxUses, g.OverrideRank, g.ShareDepth
	if !g.Validity.To.Equal(was.Validity.To) {
		now.Validity.To = g.Validity.To
	}
	if now == was && (g.Validity.From.IsZero() || g.Validity.From.Equal(was.Since)) {
		head, err := latest(ctx, tx, home.Name, g.Org)
		return was, head, err
	}
	if err := checkEtag(etag, was.Version); err != nil {
		return Grant{}, Token{}, err
	}
	if now.Schedule != "" && !c.in(home.Name, now.Schedule) {
		return Grant{}, Token{}, fmt.Errorf("grant in %s, schedule %s: %w", home.Name, now.Schedule, ErrOtherHome)
	}
	commit, err := tx.Commit(ctx, home.Name, g.Org)
	if err != nil {
		return Grant{}, Token{}, err
	}
	if now, err = validFrom(ctx, tx, was, now, g.Validity.From, commit.At()); err != nil {
		return Grant{}, Token{}, err
	}
	if err := checkUpdate(ctx, tx, now); err != nil {
		return Grant{}, Token{}, err
	}
	now, err = c.replaceGrant(ctx, tx, commit, was, now)
	return now, commit.Token(), err
}

// checkUpdate finds the schedule, and keeps a share within what it is a share of. A schedule that stays is looked for as
// well: that of a grant which ran out may have been deleted since, and the grant is not to hold again without it.
func checkUpdate(ctx context.Context, tx Tx, now Grant) error {
	if now.Schedule != "" {
		if _, err := tx.Schedule(ctx, now.Org, now.Schedule); err != nil {
			return err
		}
	}
	if now.SharedFrom == "" {
		return nil
	}
	parent, err := tx.Grant(ctx, now.Org, now.SharedFrom)
	if err != nil {
		return err
	}
	return checkShare(parent, now)
}

// validFrom sets from when the new row holds, and since when the grant does without a gap.
func validFrom(ctx context.Context, tx Tx, was, now Grant, from, at time.Time) (Grant, error) {
	begun := !at.Before(was.Validity.From)
	moved := !from.IsZero() && !from.Equal(was.Since)
	switch {
	case !moved && begun:
		now.Validity.From = at
		if ended := was.Validity.To; !ended.IsZero() && ended.Before(at) {
			now.Since = at // it had run out: a gap
		}
	case moved:
		if !from.After(at) {
			if err := checkReplaced(ctx, tx, was, from, begun); err != nil {
				return now, err
			}
		}
		now.Validity.From, now.Since = from, from
	}
	var err error
	now.Validity, err = newValidity(now.Validity, at)
	return now, err
}

// checkReplaced refuses a beginning in the past for a grant that has held already: what was true stays true.
func checkReplaced(ctx context.Context, tx Tx, was Grant, from time.Time, begun bool) error {
	until, err := tx.GrantHeldUntil(ctx, was.Org, was.ID)
	if err != nil {
		return err
	}
	if begun || from.Before(until) {
		return fmt.Errorf("%w: valid_from %s: the grant has held since %s, and what was so stays so: leave valid_from unset, or move it into the future",
			ErrClockNonsense, text(from), text(was.Since))
	}
	return nil
}

// replaceGrant records a grant's new row, and narrows its shares.
func (c Commands) replaceGrant(ctx context.Context, tx Tx, commit Commit, was, now Grant) (Grant, error) {
	now.Version = commit.Token().Version
	if err := tx.ReplaceGrant(ctx, commit, was, now); err != nil {
		return now, err
	}
	if err := commit.Record(GrantUpdated{now}); err != nil {
		return now, err
	}
	return now, c.narrowShares(ctx, tx, commit, now)
}
