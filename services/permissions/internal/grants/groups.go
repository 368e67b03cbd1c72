package grants

import (
	"context"
	"fmt"
	"slices"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
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
	if err := tx.AddGroup(ctx, commit, g); err != nil {
		return Created{}, err
	}
	return Created{g.ID, commit.Token()}, commit.Record(GroupCreated{g})
}

// AddMember puts a person or a group into a group: ErrCycle when the group would contain itself, ErrTooDeep when groups
// would be nested deeper than anybody evaluates. Who is in already stays in: the head is returned and nothing written.
// People, and groups of other jurisdictions, are not known here and are taken as they are.
func (c Commands) AddMember(ctx context.Context, tx Tx, org region.ID, m Membership) (Token, error) {
	home, err := c.Regions.Home(m.Group)
	if err != nil {
		return Token{}, err
	}
	members, err := c.membersOf(ctx, tx, org, m.Group)
	if err != nil {
		return Token{}, err
	}
	if slices.Contains(members, m.Member) {
		return latest(ctx, tx, home.Name, org)
	}
	if m.Member.Kind() == region.Group {
		if err := c.checkNesting(ctx, tx, home.Name, org, m); err != nil {
			return Token{}, err
		}
	}
	commit, err := tx.Commit(ctx, home.Name, org)
	if err != nil {
		return Token{}, err
	}
	if err := tx.AddMembership(ctx, commit, m); err != nil {
		return Token{}, err
	}
	if err := commit.Record(MemberAdded{m}); err != nil {
		return Token{}, err
	}
	return commit.Token(), c.tellFollowers(ctx, tx, org, home.Name, m, true)
}

// RemoveMember takes a member out. Who is not in stays out: the head is returned and nothing written.
func (c Commands) RemoveMember(ctx context.Context, tx Tx, org region.ID, m Membership) (Token, error) {
	home, err := c.Regions.Home(m.Group)
	if err != nil {
		return Token{}, err
	}
	members, err := c.membersOf(ctx, tx, org, m.Group)
	if err != nil {
		return Token{}, err
	}
	if !slices.Contains(members, m.Member) {
		return latest(ctx, tx, home.Name, org)
	}
	commit, err := tx.Commit(ctx, home.Name, org)
	if err != nil {
		return Token{}, err
	}
	if err := tx.EndMembership(ctx, commit, m); err != nil {
		return Token{}, err
	}
	if err := commit.Record(MemberRemoved{m}); err != nil {
		return Token{}, err
	}
	return commit.Token(), c.tellFollowers(ctx, tx, org, home.Name, m, false)
}

// membersOf returns the members of a group that must be the organization's own.
func (c Commands) membersOf(ctx context.Context, tx Tx, org, group region.ID) ([]region.ID, error) {
	if _, err := tx.Group(ctx, org, group); err != nil {
		return nil, err
	}
	home, err := c.Regions.Home(group)
	if err != nil {
		return nil, err
	}
	return tx.Members(ctx, home.Name, org, group)
}

func latest(ctx context.Context, r Reader, home region.Name, org region.ID) (Token, error) {
	head, err := r.Head(ctx, home, org)
	return head.Token, err
}

// checkNesting looks up from the group and down from the group that is to be put into it. Copies of other jurisdictions'
// groups count as far as they are known here; what is not known here cannot be refused, and does no harm when it is
// evaluated (package policy meets each group once).
func (c Commands) checkNesting(ctx context.Context, tx Tx, home region.Name, org region.ID, m Membership) error {
	if c.Regions.Together(home, c.homeOf(m.Member)) {
		if _, err := tx.Group(ctx, org, m.Member); err != nil {
			return err
		}
	}
	if m.Member == m.Group {
		return fmt.Errorf("group %s in itself: %w", m.Group, ErrCycle)
	}
	below, inside, err := levels(m.Member, m.Group, func(of []region.ID) ([]region.ID, error) {
		return tx.Contents(ctx, home, org, of)
	})
	if err != nil {
		return err
	}
	if inside {
		return fmt.Errorf("group %s is already inside %s: %w", m.Group, m.Member, ErrCycle)
	}
	above, _, err := levels(m.Group, "", func(of []region.ID) ([]region.ID, error) {
		return tx.Containers(ctx, home, org, of)
	})
	if err != nil {
		return err
	}
	if above+below > policy.MaxGroupDepth {
		return fmt.Errorf("%w: more than %d levels", ErrTooDeep, policy.MaxGroupDepth)
	}
	return nil
}

// levels counts the groups on the longest way from a group onwards, itself included, and says whether it meets another.
// It stops beyond the bound, so that broken facts cost no more than that.
func levels(from, looked region.ID, next func([]region.ID) ([]region.ID, error)) (depth int, met bool, err error) {
	for level := []region.ID{from}; len(level) > 0 && depth <= policy.MaxGroupDepth; depth++ {
		if looked != "" && slices.Contains(level, looked) {
			return depth, true, nil
		}
		if level, err = next(level); err != nil {
			return 0, false, err
		}
	}
	return depth, false, nil
}

func (c Commands) homeOf(id region.ID) region.Name {
	r, _ := c.Regions.Home(id) // parsed at the edge, so it has a home; the zero region is together with none
	return r.Name
}
