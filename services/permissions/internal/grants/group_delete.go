package grants

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// DeleteGroup ends a group at the commit's moment: its memberships both ways, the grants of the jurisdiction that name it
// with their shares, and the roles that it has there. What it is in and what names it may live in other regions of the
// jurisdiction: each then has a commit of its own in the same transaction. Groups of other jurisdictions that contain it
// keep an empty one. A group that a door's rules name stays: without it nobody could begin the day there, or
// come in when the door's locks have been alone for too long.
// Deleting again returns the head.
func (c Commands) DeleteGroup(ctx context.Context, tx Tx, org, id region.ID, etag string) (Token, error) {
	home, err := c.Regions.Home(id)
	if err != nil {
		return Token{}, err
	}
	group, err := tx.Group(ctx, org, id)
	if err != nil {
		return c.gone(ctx, tx, id, org, err)
	}
	if err := checkEtag(etag, group.Version); err != nil {
		return Token{}, err
	}
	naming, err := tx.DoorsNaming(ctx, home.Name, org, id)
	if err != nil {
		return Token{}, err
	}
	if len(naming) > 0 {
		return Token{}, fmt.Errorf("%w: the rules of %s name %s: change them first", ErrForbidden, naming[0], id)
	}
	commit, err := tx.Commit(ctx, home.Name, org)
	if err != nil {
		return Token{}, err
	}
	// First what follows from the grants, while the members are known.
	if err := c.endNamed(ctx, tx, home.Name, org, id); err != nil {
		return Token{}, err
	}
	members, err := tx.Members(ctx, home.Name, org, id)
	if err != nil {
		return Token{}, err
	}
	if err := c.endMemberships(ctx, tx, commit, []region.ID{id}, members, commit.At()); err != nil {
		return Token{}, err
	}
	if err := c.leaveGroups(ctx, tx, home.Name, org, id); err != nil {
		return Token{}, err
	}
	if err := tx.EndGroup(ctx, commit, id); err != nil {
		return Token{}, err
	}
	return commit.Token(), commit.Record(GroupDeleted{id})
}

// endNamed revokes the grants and roles of the jurisdiction that name a group.
func (c Commands) endNamed(ctx context.Context, tx Tx, near region.Name, org, group region.ID) error {
	named, err := tx.GrantsNaming(ctx, near, org, group)
	if err != nil {
		return err
	}
	err = eachRegion(ctx, tx, org, named, func(commit Commit, ids []region.ID) error {
		_, err := c.endGrants(ctx, tx, commit, ids, group)
		return err
	})
	if err != nil {
		return err
	}
	roles, err := tx.RolesNaming(ctx, near, org, group)
	if err != nil {
		return err
	}
	return eachRegion(ctx, tx, org, roles, func(commit Commit, ids []region.ID) error {
		return endRoles(ctx, tx, commit, ids)
	})
}

// leaveGroups takes a subject out of every group of the jurisdiction. Copies of other jurisdictions' groups are not ours
// to change.
func (c Commands) leaveGroups(ctx context.Context, tx Tx, near region.Name, org, member region.ID) error {
	around, err := tx.MembershipsAround(ctx, near, org, member)
	if err != nil {
		return err
	}
	for at, groups := range around {
		around[at] = slices.DeleteFunc(groups, func(group region.ID) bool { return !c.in(at, group) })
	}
	return eachRegion(ctx, tx, org, around, func(commit Commit, groups []region.ID) error {
		return c.endMemberships(ctx, tx, commit, groups, []region.ID{member}, commit.At())
	})
}

// eachRegion does something in the commit of each region that has ids, always in the same order: two writers that need
// the same regions then wait for each other instead of running into each other.
func eachRegion(ctx context.Context, tx Tx, org region.ID, ids map[region.Name][]region.ID, do func(Commit, []region.ID) error) error {
	for _, at := range slices.Sorted(maps.Keys(ids)) {
		if len(ids[at]) == 0 {
			continue
		}
		commit, err := tx.Commit(ctx, at, org)
		if err != nil {
			return err
		}
		if err := do(commit, ids[at]); err != nil {
			return err
		}
	}
	return nil
}
