package grants

import (
	"context"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// CreateGroup makes an empty group.
func (c Commands) CreateGroup(ctx context.Context, tx Tx, home region.Name, g Group) (Created, error) {
	if err := checkName(g.Name); err != nil {
		return Created{}, err
	}
	commit, err := tx.Commit(ctx, home, g.Org)
	if err != nil {
		return Created{}, err
	}
	if g.ID, err = c.newID(region.Group, home); err != nil {
		return Created{}, err
	}
	g.Version = commit.Token().Version
	if err := tx.AddGroup(ctx, commit, g); err != nil {
		return Created{}, err
	}
	return Created{g.ID, commit.Token()}, commit.Record(GroupCreated{g})
}

// UpdateGroup gives a group a name. One that it has already changes nothing, whatever etag is given.
func (c Commands) UpdateGroup(ctx context.Context, tx Tx, g Group, etag string) (Group, Token, error) {
	if err := checkName(g.Name); err != nil {
		return Group{}, Token{}, err
	}
	home, err := c.Regions.Home(g.ID)
	if err != nil {
		return Group{}, Token{}, err
	}
	was, err := tx.Group(ctx, g.Org, g.ID)
	if err != nil {
		return Group{}, Token{}, err
	}
	if was.Name == g.Name {
		head, err := latest(ctx, tx, home.Name, g.Org)
		return was, head, err
	}
	if err := checkEtag(etag, was.Version); err != nil {
		return Group{}, Token{}, err
	}
	commit, err := tx.Commit(ctx, home.Name, g.Org)
	if err != nil {
		return Group{}, Token{}, err
	}
	g.Version = commit.Token().Version
	if err := tx.ReplaceGroup(ctx, commit, g); err != nil {
		return Group{}, Token{}, err
	}
	return g, commit.Token(), commit.Record(GroupUpdated{g})
}

func latest(ctx context.Context, r Reader, home region.Name, org region.ID) (Token, error) {
	head, err := r.Head(ctx, home, org)
	return head.Token, err
}
