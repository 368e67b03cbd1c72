package grants

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// endGrants revokes grants of the commit's region at its moment, with all shares below them, and says how many that were.
// because is what ended and ended them with it; empty: they are revoked by themselves. Those that are revoked already
// stay as they are.
func (c Commands) endGrants(ctx context.Context, tx Tx, commit Commit, ids []region.ID, because region.ID) (int, error) {
	at := commit.Token()
	level, err := tx.GrantsToEnd(ctx, at.Region, at.Org, ids, commit.At())
	if err != nil {
		return 0, err
	}
	return c.endTree(ctx, tx, commit, level, commit.At(), because)
}

// endTree is endGrants for grants that were read, since a moment that may lie in the past. A share ends because its parent
// does; a tree of shares lives in one region, and is no deeper than the grant at its root allows.
func (c Commands) endTree(ctx context.Context, tx Tx, commit Commit, level []Grant, since time.Time, because region.ID) (int, error) {
	ended := 0
	for depth := 0; len(level) > 0; depth++ {
		ended += len(level)
		if err := tx.EndGrants(ctx, commit, level, since); err != nil {
			return 0, err
		}
		for _, g := range level {
			if depth > 0 {
				because = g.SharedFrom
			}
			if err := c.tellEnd(ctx, tx, commit, g, since, because); err != nil {
				return 0, err
			}
		}
		var err error
		if level, err = below(ctx, tx, commit, level, since); err != nil {
			return 0, err
		}
	}
	return ended, nil
}

// below returns the direct shares of grants that end with them. A grant that may not be shared has none that live: that
// saves most revocations a look.
func below(ctx context.Context, tx Tx, commit Commit, parents []Grant, since time.Time) ([]Grant, error) {
	late := since.Before(commit.At())
	var ids []region.ID
	for _, g := range parents {
		if late || g.ShareDepth > 0 {
			ids = append(ids, g.ID)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	at := commit.Token()
	return tx.SharesToEnd(ctx, at.Region, at.Org, ids, since)
}

// tellEnd records the end of one grant.
func (c Commands) tellEnd(ctx context.Context, tx Tx, commit Commit, g Grant, since time.Time, because region.ID) error {
	if err := commit.Record(GrantRevoked{Grant: g, Since: told(since, commit), Because: because}); err != nil {
		return err
	}
	return c.grantFollows(ctx, tx, commit.Token().Region, g, false)
}

func idsOf(all []Grant) []region.ID {
	ids := make([]region.ID, len(all))
	for i, g := range all {
		ids[i] = g.ID
	}
	return ids
}

// endAllOf ends the grants and lockdowns of a door, a zone or a site that is being deleted.
func (c Commands) endAllOf(ctx context.Context, tx Tx, commit Commit, target region.ID) error {
	at := commit.Token()
	lockdowns, err := tx.LockdownsOf(ctx, at.Org, target)
	if err != nil {
		return err
	}
	for _, l := range lockdowns {
		if err := endLockdown(ctx, tx, commit, l); err != nil {
			return err
		}
	}
	if target.Kind() == region.Site {
		return nil // no grant is of a site
	}
	grants, err := all(func(after string, limit int) ([]Grant, error) {
		return tx.Grants(ctx, GrantsQuery{Org: at.Org, Home: at.Region, Target: target, After: after, Limit: limit})
	}, func(g Grant) region.ID { return g.ID })
	if err != nil {
		return err
	}
	_, err = c.endGrants(ctx, tx, commit, idsOf(grants), target)
	return err
}
