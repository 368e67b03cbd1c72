package grants

import (
	"context"
	"slices"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// AddMember puts a person or a group into a group, since a moment (zero: the commit's): ErrCycle when the group would
// contain itself, ErrTooDeep when groups would be nested deeper than anybody evaluates. Who is in since then or earlier
// stays in: the head is returned and nothing written. People, and groups of other jurisdictions, are not known here and
// are taken as they are.
func (c Commands) AddMember(ctx context.Context, tx Tx, org region.ID, m Membership, since time.Time) (Token, error) {
	home, err := c.homeOfGroup(ctx, tx, org, m.Group)
	if err != nil {
		return Token{}, err
	}
	in, err := tx.In(ctx, home, org, m)
	if err != nil {
		return Token{}, err
	}
	if in {
		if known, err := inSince(ctx, tx, home, org, m, since); err != nil || known {
			return head(ctx, tx, home, org, err)
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
	home, err := c.homeOfGroup(ctx, tx, org, m.Group)
	if err != nil {
		return Token{}, err
	}
	if out, err := outSince(ctx, tx, home, org, m, since); err != nil || out {
		return head(ctx, tx, home, org, err)
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

// homeOfGroup returns the home of a group, which must be the organization's own.
func (c Commands) homeOfGroup(ctx context.Context, tx Tx, org, group region.ID) (region.Name, error) {
	home, err := c.Regions.Home(group)
	if err != nil {
		return "", err
	}
	_, err = tx.Group(ctx, org, group)
	return home.Name, err
}

// inSince says of somebody who is in a group whether they are known to be in since a moment or earlier; zero: now.
func inSince(ctx context.Context, tx Tx, home region.Name, org region.ID, m Membership, since time.Time) (bool, error) {
	if since.IsZero() {
		return true, nil
	}
	stays, err := tx.Stays(ctx, home, org, m)
	return slices.ContainsFunc(stays, func(v Validity) bool { return v.To.IsZero() && !since.Before(v.From) }), err
}

// outSince says whether somebody is known to have been out of a group since a moment or earlier; zero: now.
func outSince(ctx context.Context, tx Tx, home region.Name, org region.ID, m Membership, since time.Time) (bool, error) {
	if since.IsZero() {
		in, err := tx.In(ctx, home, org, m)
		return !in, err
	}
	stays, err := tx.Stays(ctx, home, org, m)
	return !slices.ContainsFunc(stays, func(v Validity) bool {
		return v.To.IsZero() || v.To.After(since) && v.To.After(v.From)
	}), err
}

// head is the answer of a write that changes nothing, unless there is an error.
func head(ctx context.Context, tx Tx, home region.Name, org region.ID, err error) (Token, error) {
	if err != nil {
		return Token{}, err
	}
	return latest(ctx, tx, home, org)
}
