package grants

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// narrowShares brings the direct shares of a grant inside what it is now, and theirs inside what they are then. A share of
// which nothing is left is revoked, with all below it.
func (c Commands) narrowShares(ctx context.Context, tx Tx, commit Commit, parent Grant) error {
	shares, err := tx.LiveShares(ctx, parent.Org, parent.ID)
	if err != nil {
		return err
	}
	for _, was := range shares {
		now, left := narrowed(parent, was, commit.At())
		switch {
		case !left:
			if _, err := c.endGrants(ctx, tx, commit, []region.ID{was.ID}, parent.ID); err != nil {
				return err
			}
		case now != was:
			if _, err := c.replaceGrant(ctx, tx, commit, was, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// narrowed is a share inside its parent, from a moment on; false: nothing is left of it.
func narrowed(parent, was Grant, at time.Time) (Grant, bool) {
	now := was
	now.Schedule = parent.Schedule
	now.ShareDepth = min(was.ShareDepth, parent.ShareDepth-1)
	if parent.MaxUses > 0 && (was.MaxUses == 0 || was.MaxUses > parent.MaxUses) {
		now.MaxUses = parent.MaxUses
	}
	if to := parent.Validity.To; !to.IsZero() && (now.Validity.To.IsZero() || now.Validity.To.After(to)) {
		now.Validity.To = to
	}
	if was.Since.Before(parent.Since) {
		now.Since, now.Validity.From = parent.Since, parent.Since
	}
	if now != was && now.Validity.From.Before(at) {
		now.Validity.From = at
	}
	if parent.ShareDepth == 0 {
		return now, false
	}
	left := now.Validity.To.IsZero() || now.Validity.To.After(now.Validity.From)
	return now, left
}
