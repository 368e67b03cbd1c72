package registrar

import (
	"context"
	"slices"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	"github.com/cardea-mesh/cardea/services/identity/internal/postgres"
	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// FollowOrganization sends an organization's digest keys to a region of another jurisdiction, which follows it from now on.
// Following again sends them again, to a follower that may have lost them.
func (r *Registrar) FollowOrganization(ctx context.Context, tx pgx.Tx, org region.ID, follower region.Region) (*Token, error) {
	home, err := r.regions.Home(org)
	if err != nil {
		return nil, err
	}
	if home.Jurisdiction == follower.Jurisdiction {
		return nil, registry.ErrSameJurisdiction
	}
	if _, err := postgres.Organization(ctx, tx, home.Name, org); err != nil {
		return nil, err
	}
	known, err := postgres.Followers(ctx, tx, home.Name, org)
	if err != nil {
		return nil, err
	}
	commit, err := r.begin(ctx, tx, home.Name, org)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(known, follower.Name) {
		asked := postgres.Follower{
			Org: org, Subject: org, Region: follower.Name, Following: true,
			Source: registry.Source{Region: follower.Name, Version: 1},
		}
		if err := postgres.SetFollower(ctx, tx, home.Name, asked); err != nil {
			return nil, err
		}
		followed(commit, org, follower.Name)
	}
	// The keys are not in this message, which rests in the outbox; events.KeySender puts them in when it is sent.
	commit.Call(follower.Name, identityv1connect.IdentityServiceReceiveOrganizationProcedure, &identityv1.ReceiveOrganizationRequest{
		OrgId: string(org), Region: string(follower.Name), Source: token(home.Name, org, commit.Version),
	})
	return commit.Flush(ctx)
}

// FollowPerson records that a region of another jurisdiction follows a person, or does so no more, because a source said
// so; what an older version says is ignored. The first reason to follow sends what the person carries, the end of the last
// one withdraws it.
func (r *Registrar) FollowPerson(ctx context.Context, tx pgx.Tx, f postgres.Follower) error {
	home, err := r.regions.Home(f.Subject)
	if err != nil {
		return err
	}
	if r.regions.Together(home.Name, f.Region) {
		return registry.ErrSameJurisdiction
	}
	if _, err := postgres.Person(ctx, tx, home.Name, f.Org, f.Subject); err != nil {
		return err
	}
	was, err := r.follows(ctx, tx, home, f)
	if err != nil {
		return err
	}
	if err := postgres.SetFollower(ctx, tx, home.Name, f); err != nil {
		return err
	}
	is, err := r.follows(ctx, tx, home, f)
	if err != nil || is == was {
		return err
	}
	return r.sendCarried(ctx, tx, home, f, is)
}

func (r *Registrar) follows(ctx context.Context, tx pgx.Tx, home region.Region, f postgres.Follower) (bool, error) {
	regions, err := postgres.Followers(ctx, tx, home.Name, f.Subject)
	return slices.Contains(regions, f.Region), err
}

// sendCarried sends, or withdraws, what a person carries. Revoked credentials were sent as such when they ended.
func (r *Registrar) sendCarried(ctx context.Context, tx pgx.Tx, home region.Region, f postgres.Follower, following bool) error {
	carried, err := postgres.ActiveCredentials(ctx, tx, home.Name, f.Subject)
	if err != nil {
		return err
	}
	commit, err := r.begin(ctx, tx, home.Name, f.Org)
	if err != nil {
		return err
	}
	if following {
		followed(commit, f.Subject, f.Region)
	} else {
		unfollowed(commit, f.Subject, f.Region)
	}
	for _, c := range carried {
		sendCredential(commit, home, f.Region, c.Credential, !following)
	}
	_, err = commit.Flush(ctx)
	return err
}

// SiteCreated asks the organization's home for its digest keys when a site is made outside the organization's jurisdiction.
func (r *Registrar) SiteCreated(ctx context.Context, tx pgx.Tx, org region.ID, at region.Region) error {
	home, err := r.regions.Home(org)
	if err != nil || home.Jurisdiction == at.Jurisdiction {
		return err
	}
	version, err := postgres.ReceivedOrganization(ctx, tx, at.Name, org)
	if err != nil || version > 0 {
		return err
	}
	commit, err := r.begin(ctx, tx, at.Name, org)
	if err != nil {
		return err
	}
	if err := r.askForKeys(ctx, tx, commit, org, at); err != nil {
		return err
	}
	_, err = commit.Flush(ctx)
	return err
}

func followed(commit *outbox.Commit, subject region.ID, follower region.Name) {
	commit.Event(outbox.Event{
		Stream: subject, Kind: "follower_added",
		Payload: &identityv1.FollowerAdded{SubjectId: string(subject), FollowerRegion: string(follower)},
	})
}

func unfollowed(commit *outbox.Commit, subject region.ID, follower region.Name) {
	commit.Event(outbox.Event{
		Stream: subject, Kind: "follower_removed",
		Payload: &identityv1.FollowerRemoved{SubjectId: string(subject), FollowerRegion: string(follower)},
	})
}
