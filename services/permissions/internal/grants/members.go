package grants

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// AddMember puts a person or a group into a group, since a moment (zero: the commit's): ErrCycle when the group would
// contain itself, ErrTooDeep when groups would be nested deeper than anybody evaluates. Who is in since then or earlier
// stays in: the head is returned and nothing written. People, and groups of other jurisdictions, are not known here and
// are taken as they are.
func (c Commands) AddMember(ctx context.Context, tx Tx, org region.ID, m Membership, since time.Time) (Token, error) {
	home, stays, err := c.staysOf(ctx, tx, org, m)
	if err != nil {
		return Token{}, err
	}
	in := false
	for _, stay := range stays {
		in = in || stay.To.IsZero()
		if stay.To.IsZero() && (since.IsZero() || !since.Before(stay.From)) {
			return latest(ctx, tx, home, org)
		}
	}
	if m.Member.Kind() == region.Group && !in {
		if err := c.checkNesting(ctx, tx, home, org, m); err != nil {
			return Token{}, err
		}
	}
	commit, err := tx.Commit(ctx, home, org)
	if err != nil {
		return Token{}, err
	}
	if since, err = effective(since, commit); err != nil {
		return Token{}, err
	}
	if err := tx.AddMembership(ctx, commit, m, since); err != nil {
		return Token{}, err
	}
	if err := commit.Record(MemberAdded{m, told(since, commit)}); err != nil {
		return Token{}, err
	}
	return commit.Token(), c.tellFollowers(ctx, tx, org, home, m)
}

// RemoveMember takes a member out, since a moment (zero: the commit's). Who has been out since then stays out: the head is
// returned and nothing written.
func (c Commands) RemoveMember(ctx context.Context, tx Tx, org region.ID, m Membership, since time.Time) (Token, error) {
	home, stays, err := c.staysOf(ctx, tx, org, m)
	if err != nil {
		return Token{}, err
	}
	if !anyReaches(stays, since) {
		return latest(ctx, tx, home, org)
	}
	commit, err := tx.Commit(ctx, home, org)
	if err != nil {
		return Token{}, err
	}
	if since, err = effective(since, commit); err != nil {
		return Token{}, err
	}
	return commit.Token(), c.endMemberships(ctx, tx, commit, []region.ID{m.Group}, []region.ID{m.Member}, since)
}

// endMemberships takes all the members out of all the groups of the commit's region, and tells those who follow a group.
func (c Commands) endMemberships(ctx context.Context, tx Tx, commit Commit, groups, members []region.ID, since time.Time) error {
	if err := tx.EndMemberships(ctx, commit, groups, members, since); err != nil {
		return err
	}
	at := commit.Token()
	for _, group := range groups {
		for _, member := range members {
			if err := commit.Record(MemberRemoved{Membership{group, member}, told(since, commit)}); err != nil {
				return err
			}
		}
		if err := c.tellLeft(ctx, tx, at.Org, at.Region, group, members); err != nil {
			return err
		}
	}
	return nil
}

// staysOf returns the home of a group, which must be the organization's own, and when somebody was and is in it.
func (c Commands) staysOf(ctx context.Context, tx Tx, org region.ID, m Membership) (region.Name, []Validity, error) {
	home, err := c.Regions.Home(m.Group)
	if err != nil {
		return "", nil, err
	}
	if _, err := tx.Group(ctx, org, m.Group); err != nil {
		return "", nil, err
	}
	stays, err := tx.Stays(ctx, home.Name, org, m)
	return home.Name, stays, err
}

// anyReaches says whether a stay goes beyond a moment; zero: whether one goes on.
func anyReaches(stays []Validity, since time.Time) bool {
	for _, stay := range stays {
		if stay.To.IsZero() || !since.IsZero() && stay.To.After(since) && stay.To.After(stay.From) {
			return true
		}
	}
	return false
}
