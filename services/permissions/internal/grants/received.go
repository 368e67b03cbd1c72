package grants

import (
	"context"
	"fmt"
	"slices"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// FollowRequest is what a region of another jurisdiction asks of a subject's home.
type FollowRequest struct {
	Org, Subject region.ID
	Follower     region.Name
	Wanted       bool
	Source       Token // the asking commit
}

// Follow takes a request. One that is not younger than the latest of the same region about the same subject and follower
// is ignored, and so is one about a group that the organization does not have here: an error would only make the sender
// try again for ever, and block all that waits behind. The token is zero when nothing was committed.
func (c Commands) Follow(ctx context.Context, tx Tx, r FollowRequest) (Token, error) {
	home, err := c.Regions.Home(r.Subject)
	if err != nil {
		return Token{}, err
	}
	if c.Regions.Together(home.Name, r.Follower) || c.Regions.Together(home.Name, r.Source.Region) {
		return Token{}, fmt.Errorf("%w: %s needs nobody to follow %s", ErrInvalid, r.Follower, r.Subject)
	}
	if r.Subject.Kind() == region.Group {
		if known, err := found(tx.Group(ctx, r.Org, r.Subject)); err != nil || !known {
			return Token{}, err
		}
	}
	key := ReasonKey{Holder: home.Name, Org: r.Org, Subject: r.Subject, Follower: r.Follower, Why: string(r.Source.Region)}
	last, err := tx.Reason(ctx, key)
	if err != nil || last.SourceVersion >= r.Source.Version {
		return Token{}, err
	}
	commit, err := tx.Commit(ctx, home.Name, r.Org)
	if err != nil {
		return Token{}, err
	}
	reason := Reason{Held: r.Wanted, SourceVersion: r.Source.Version}
	return commit.Token(), c.follow(tx, r.Org).want(ctx, home.Name, r.Subject, r.Follower, key.Why, reason)
}

// ReceivedGroup is a group's whole membership, from its home in another jurisdiction.
type ReceivedGroup struct {
	Org, Group region.ID
	Region     region.Name // that receives
	Members    []region.ID
	Source     Token // the home's commit
}

// Receive stores a copy. Memberships hold here from the moment at which they are received: what the home knew earlier
// did not open a door here. One that is not younger than the latest is ignored; the token is then zero.
func (c Commands) Receive(ctx context.Context, tx Tx, r ReceivedGroup) (Token, error) {
	home, err := c.Regions.Home(r.Group)
	if err != nil {
		return Token{}, err
	}
	if c.Regions.Together(home.Name, r.Region) || r.Source.Region != home.Name {
		return Token{}, fmt.Errorf("%w: %s does not receive %s from %s", ErrInvalid, r.Region, r.Group, r.Source.Region)
	}
	last, err := tx.ReceivedVersion(ctx, r.Region, r.Org, r.Group)
	if err != nil || last >= r.Source.Version {
		return Token{}, err
	}
	before, err := tx.Members(ctx, r.Region, r.Org, r.Group)
	if err != nil {
		return Token{}, err
	}
	commit, err := tx.Commit(ctx, r.Region, r.Org)
	if err != nil {
		return Token{}, err
	}
	if err := tx.SetReceivedVersion(ctx, r.Region, r.Org, r.Group, r.Source.Version); err != nil {
		return Token{}, err
	}
	ch := MembershipsReceived{
		Group: r.Group, Members: r.Members, SourceVersion: r.Source.Version,
		Added: without(r.Members, before), Removed: without(before, r.Members),
	}
	if err := c.copyMembers(ctx, tx, commit, r, ch); err != nil {
		return Token{}, err
	}
	return commit.Token(), commit.Record(ch)
}

// copyMembers writes the difference. A group of ours inside the copy may contain somebody of another jurisdiction, who
// must then be followed by us; the home cannot know that.
func (c Commands) copyMembers(ctx context.Context, tx Tx, commit Commit, r ReceivedGroup, ch MembershipsReceived) error {
	f := c.follow(tx, r.Org)
	if err := tx.EndMemberships(ctx, commit, []region.ID{r.Group}, ch.Removed, commit.At()); err != nil {
		return err
	}
	for _, member := range ch.Added {
		if err := tx.AddMembership(ctx, commit, Membership{r.Group, member}, commit.At()); err != nil {
			return err
		}
	}
	reasons := func(members []region.ID, add bool) error {
		for _, member := range members {
			if !c.Regions.Together(r.Region, c.homeOf(member)) {
				continue
			}
			if err := f.want(ctx, r.Region, member, r.Region, string(r.Group), Reason{Held: add}); err != nil {
				return err
			}
		}
		return nil
	}
	if err := reasons(ch.Added, true); err != nil {
		return err
	}
	return reasons(ch.Removed, false)
}

// without returns the ids of all that are not in some, ascending, each once.
func without(all, some []region.ID) []region.ID {
	known := make(map[region.ID]bool, len(some))
	for _, id := range some {
		known[id] = true
	}
	var rest []region.ID
	for _, id := range all {
		if !known[id] {
			rest = append(rest, id)
			known[id] = true
		}
	}
	slices.Sort(rest)
	return rest
}
