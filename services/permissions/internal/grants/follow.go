package grants

import (
	"context"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// follow decides who has to be told about whom. A region follows a subject when a grant there names it, or a group that
// it is inside of. The book (Followers) keeps every reason by itself, so that two reasons survive the end of one; what
// others are told is only the first reason and the end of the last.
//
// Inside a jurisdiction everybody reads the same database and nothing need be sent. Entries for the own jurisdiction are
// kept all the same, for groups: such a group may contain somebody of another jurisdiction, who must then be followed.
//
// Groups that contain each other across a border, which neither side can see when it writes, hold each other's entries
// for ever: a copy is then kept for too long, and nobody is let in by it.
type follow struct {
	Commands
	tx  Tx
	org region.ID
}

func (c Commands) follow(tx Tx, org region.ID) follow { return follow{c, tx, org} }

// want sets one reason why a follower follows a subject. asking is the region whose commit this is.
func (f follow) want(ctx context.Context, asking region.Name, subject region.ID, follower region.Name, why string, r Reason) error {
	key, needed, err := f.key(ctx, asking, subject, follower, why)
	if err != nil || !needed {
		return err
	}
	before, err := f.tx.Followed(ctx, key)
	if err != nil {
		return err
	}
	if err := f.tx.SetReason(ctx, key, r); err != nil {
		return err
	}
	after, err := f.tx.Followed(ctx, key)
	if err != nil || before == after {
		return err
	}
	return f.turn(ctx, key, after)
}

// key says where the reason is kept, and whether there is anything to follow at all.
func (f follow) key(ctx context.Context, asking region.Name, subject region.ID, follower region.Name, why string) (ReasonKey, bool, error) {
	home, err := f.Regions.Home(subject)
	if err != nil {
		return ReasonKey{}, false, err
	}
	ours := f.Regions.Together(asking, home.Name)
	forUs := f.Regions.Together(asking, follower)
	key := ReasonKey{Holder: asking, Org: f.org, Subject: subject, Follower: follower, Why: why}
	switch {
	case ours && forUs: // everybody of the jurisdiction is one follower
		key.Holder, key.Follower = home.Name, home.Name
		return key, subject.Kind() == region.Group, nil
	case ours:
		key.Holder = home.Name
		return key, true, nil
	case forUs: // one region of the jurisdiction receives for all, always the same: its versions then only rise
		region, err := f.tx.FollowingRegion(ctx, asking, f.org, subject)
		if err != nil {
			return key, false, err
		}
		if region != "" {
			key.Holder = region
		}
		key.Follower = key.Holder
		return key, true, nil
	default: // somebody of another jurisdiction in a group of ours, for a third one; at home they know by themselves
		return key, !f.Regions.Together(home.Name, follower), nil
	}
}

// turn tells those concerned that a subject is followed from now on, or not any more.
func (f follow) turn(ctx context.Context, key ReasonKey, on bool) error {
	home, err := f.Regions.Home(key.Subject)
	if err != nil {
		return err
	}
	if !f.Regions.Together(home.Name, key.Holder) {
		commit, err := f.tx.Commit(ctx, key.Holder, f.org)
		if err != nil {
			return err
		}
		return commit.Record(FollowAsked{Home: home.Name, Subject: key.Subject, Follower: key.Follower, Wanted: on})
	}
	if key.Subject.Kind() != region.Group {
		commit, err := f.tx.Commit(ctx, home.Name, f.org)
		if err != nil {
			return err
		}
		return commit.Record(PersonFollowed{Person: key.Subject, Follower: key.Follower, Wanted: on})
	}
	return f.turnGroup(ctx, home.Name, key, on)
}

func (f follow) turnGroup(ctx context.Context, home region.Name, key ReasonKey, on bool) error {
	members, err := f.tx.Members(ctx, home, f.org, key.Subject)
	if err != nil {
		return err
	}
	for _, member := range members {
		if err := f.want(ctx, home, member, key.Follower, string(key.Subject), Reason{Held: on}); err != nil {
			return err
		}
	}
	if !on {
		members = nil
	}
	return f.send(ctx, home, key.Subject, key.Follower, members)
}

// send tells a follower of another jurisdiction a group's whole membership.
func (f follow) send(ctx context.Context, home region.Name, group region.ID, follower region.Name, members []region.ID) error {
	if f.Regions.Together(home, follower) {
		return nil
	}
	commit, err := f.tx.Commit(ctx, home, f.org)
	if err != nil {
		return err
	}
	return commit.Record(MembershipsSent{Follower: follower, Group: group, Members: members})
}

// tellFollowers tells the followers of a group that a member came.
func (c Commands) tellFollowers(ctx context.Context, tx Tx, org region.ID, home region.Name, m Membership) error {
	return c.tellChange(ctx, tx, org, home, m.Group, []region.ID{m.Member}, true)
}

// tellLeft tells the followers of a group that members left.
func (c Commands) tellLeft(ctx context.Context, tx Tx, org region.ID, home region.Name, group region.ID, left []region.ID) error {
	return c.tellChange(ctx, tx, org, home, group, left, false)
}

func (c Commands) tellChange(ctx context.Context, tx Tx, org region.ID, home region.Name, group region.ID, changed []region.ID, in bool) error {
	followers, err := tx.FollowersOf(ctx, home, org, group)
	if err != nil || len(followers) == 0 {
		return err
	}
	members, err := tx.Members(ctx, home, org, group)
	if err != nil {
		return err
	}
	f := c.follow(tx, org)
	for _, follower := range followers {
		for _, member := range changed {
			if err := f.want(ctx, home, member, follower, string(group), Reason{Held: in}); err != nil {
				return err
			}
		}
		if err := f.send(ctx, home, group, follower, members); err != nil {
			return err
		}
	}
	return nil
}
