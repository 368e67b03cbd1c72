package grants

import (
	"context"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// endGrants ends grants of the commit's region and organization at its moment, and with each the shares below it. because
// is the grant whose end is the reason; empty: these end by themselves. What is revoked already stays as it is.
func (c Commands) endGrants(ctx context.Context, tx Tx, commit Commit, ids []region.ID, because region.ID) error {
	at := commit.Token()
	for _, id := range ids {
		g, err := tx.Grant(ctx, at.Org, id)
		if err != nil {
			return err
		}
		if g.Revoked {
			continue
		}
		if err := tx.EndGrant(ctx, commit, g, g.Validity.EndedAt(commit.At())); err != nil {
			return err
		}
		if err := commit.Record(GrantRevoked{Grant: g, Because: because}); err != nil {
			return err
		}
		if err := c.grantFollows(ctx, tx, at.Region, g, false); err != nil {
			return err
		}
		shares, err := tx.SharesOf(ctx, at.Org, id)
		if err != nil {
			return err
		}
		if err := c.endGrants(ctx, tx, commit, shares, id); err != nil {
			return err
		}
	}
	return nil
}

// endAllOf ends the grants and lockdowns of a door, a zone or a site that is being deleted.
func (c Commands) endAllOf(ctx context.Context, tx Tx, commit Commit, target region.ID) error {
	org := commit.Token().Org
	grants, err := tx.GrantsOf(ctx, org, target)
	if err != nil {
		return err
	}
	lockdowns, err := tx.LockdownsOf(ctx, org, target)
	if err != nil {
		return err
	}
	for _, l := range lockdowns {
		if err := endLockdown(ctx, tx, commit, l); err != nil {
			return err
		}
	}
	return c.endGrants(ctx, tx, commit, grants, "")
}

func endLockdown(ctx context.Context, tx Tx, commit Commit, l Lockdown) error {
	if err := tx.EndLockdown(ctx, commit, l, l.Validity.EndedAt(commit.At())); err != nil {
		return err
	}
	return commit.Record(LockdownEnded{l})
}
