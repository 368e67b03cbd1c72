package grants

import (
	"context"
	"fmt"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// AssignRole makes a subject an administrator of a site, in its region, or with an empty Site of the organization, as
// home knows it. A group must be of this jurisdiction: nobody is sent the memberships of others for a role.
func (c Commands) AssignRole(ctx context.Context, tx Tx, home region.Name, a RoleAssignment) (Created, error) {
	if a.Subject.Kind() == region.Group && !c.Regions.Together(home, c.homeOf(a.Subject)) {
		return Created{}, fmt.Errorf("role in %s, group %s: must be of the same jurisdiction: %w", home, a.Subject, ErrOtherHome)
	}
	commit, err := tx.Commit(ctx, home, a.Org)
	if err != nil {
		return Created{}, err
	}
	if a.Site != "" {
		if _, err := tx.Site(ctx, a.Org, a.Site); err != nil {
			return Created{}, err
		}
	}
	if a.Subject.Kind() == region.Group {
		if _, err := tx.Group(ctx, a.Org, a.Subject); err != nil {
			return Created{}, err
		}
	}
	if a.Validity, err = newValidity(a.Validity, commit.At()); err != nil {
		return Created{}, err
	}
	if a.ID, err = c.newID(region.Role, home); err != nil {
		return Created{}, err
	}
	a.Version = commit.Token().Version
	if err := tx.AddRole(ctx, commit, a); err != nil {
		return Created{}, err
	}
	return Created{a.ID, commit.Token()}, commit.Record(RoleAssigned{a})
}

// RevokeRole ends an assignment at the commit's moment; one that had not begun never holds. Revoking again returns the head.
func (c Commands) RevokeRole(ctx context.Context, tx Tx, org, id region.ID) (Token, error) {
	home, err := c.Regions.Home(id)
	if err != nil {
		return Token{}, err
	}
	a, err := tx.Role(ctx, org, id)
	if err != nil {
		return Token{}, err
	}
	if a.Revoked {
		return latest(ctx, tx, home.Name, org)
	}
	commit, err := tx.Commit(ctx, home.Name, org)
	if err != nil {
		return Token{}, err
	}
	return commit.Token(), endRoles(ctx, tx, commit, []region.ID{id})
}

func endRoles(ctx context.Context, tx Tx, commit Commit, ids []region.ID) error {
	if err := tx.EndRoles(ctx, commit, ids); err != nil {
		return err
	}
	for _, id := range ids {
		if err := commit.Record(RoleRevoked{id}); err != nil {
			return err
		}
	}
	return nil
}
