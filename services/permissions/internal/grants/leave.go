package grants

import (
	"context"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Left is what the end of a person's access ended.
type Left struct {
	Grants      int // to the person, shared by them, and the shares below those
	Memberships int
	Token       Token
}

// EndAccess revokes every grant of a region to a person, what they have shared there, and the shares below, and takes them
// out of the region's groups. It all happens in one commit: between two there would be a person who is half out.
func (c Commands) EndAccess(ctx context.Context, tx Tx, home region.Name, org, person region.ID) (Left, error) {
	ids, err := tx.GrantsHeldBy(ctx, home, org, person)
	if err != nil {
		return Left{}, err
	}
	around, err := tx.MembershipsAround(ctx, home, org, person)
	if err != nil {
		return Left{}, err
	}
	var groups []region.ID
	for _, group := range around[home] {
		if c.in(home, group) {
			groups = append(groups, group)
		}
	}
	if len(ids)+len(groups) == 0 {
		head, err := latest(ctx, tx, home, org)
		return Left{Token: head}, err
	}
	commit, err := tx.Commit(ctx, home, org)
	if err != nil {
		return Left{}, err
	}
	left := Left{Memberships: len(groups), Token: commit.Token()}
	if left.Grants, err = c.endGrants(ctx, tx, commit, ids, ""); err != nil {
		return Left{}, err
	}
	return left, c.endMemberships(ctx, tx, commit, groups, []region.ID{person}, commit.At())
}
