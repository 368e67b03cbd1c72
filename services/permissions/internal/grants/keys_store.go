package grants

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// KeyReader reads groups, grants and roles, as they are known now.
type KeyReader interface {
	Group(ctx context.Context, org, id region.ID) (Group, error)
	// Groups returns, ascending, up to limit groups of a region after an id.
	Groups(ctx context.Context, home region.Name, org region.ID, after string, limit int) ([]Group, error)
	// MembersAfter returns, ascending, up to limit members of a group after an id.
	MembersAfter(ctx context.Context, org, group region.ID, after string, limit int) ([]region.ID, error)

	// Grant returns what is known of a grant: of all that it was, is and will be, what holds last.
	Grant(ctx context.Context, org, id region.ID) (Grant, error)
	// Grants returns, ascending, grants that are not revoked.
	Grants(ctx context.Context, q GrantsQuery) ([]Grant, error)

	// Role returns an assignment, also a revoked one.
	Role(ctx context.Context, org, id region.ID) (RoleAssignment, error)
	// Roles returns, ascending, up to limit assignments of a region after an id; not the revoked ones.
	Roles(ctx context.Context, home region.Name, org region.ID, after string, limit int) ([]RoleAssignment, error)
	// RolesOf returns the assignments of a region that name any of these subjects; not the revoked ones.
	RolesOf(ctx context.Context, home region.Name, org region.ID, subjects []region.ID) ([]RoleAssignment, error)
}

// GrantsQuery names the grants of a page. An empty Target or Subject is any.
type GrantsQuery struct {
	Org             region.ID
	Home            region.Name // the grants' region: the target's
	Target, Subject region.ID
	After           string // the last id of the previous page
	Limit           int
}

// KeyTx writes groups, memberships, grants and roles. Nothing that was recorded is changed: what it writes supersedes
// what was known, and the past that stays true is recorded again.
type KeyTx interface {
	AddGroup(ctx context.Context, c Commit, g Group) error
	// ReplaceGroup records what a group is from the commit's moment on.
	ReplaceGroup(ctx context.Context, c Commit, g Group) error
	// EndGroup ends a group at the commit's moment.
	EndGroup(ctx context.Context, c Commit, group region.ID) error

	// DoorsNaming returns some doors of the jurisdiction whose first-person rule or emergency list names a subject.
	DoorsNaming(ctx context.Context, near region.Name, org, subject region.ID) ([]region.ID, error)

	// In says whether somebody is in a group now, as a region knows it.
	In(ctx context.Context, home region.Name, org region.ID, m Membership) (bool, error)
	// Stays returns when somebody was and is in a group, as it is known now, in a region.
	Stays(ctx context.Context, home region.Name, org region.ID, m Membership) ([]Validity, error)
	// AddMembership records that somebody is in a group since a moment, the commit's or an earlier one.
	AddMembership(ctx context.Context, c Commit, m Membership, since time.Time) error
	// EndMemberships records that none of the members has been in any of the groups since a moment, the commit's or an
	// earlier one. A stay that had not begun then never was.
	EndMemberships(ctx context.Context, c Commit, groups, members []region.ID, since time.Time) error
	// MembershipsAround returns the groups that directly contain a member, with the regions whose rows say so: the
	// groups' homes, and for copies the regions that received them.
	MembershipsAround(ctx context.Context, near region.Name, org, member region.ID) (map[region.Name][]region.ID, error)

	AddGrant(ctx context.Context, c Commit, g Grant) error
	// ReplaceGrant records what a grant is from now.Validity.From on. What was, as far as it had begun, stays true until
	// the commit's moment.
	ReplaceGrant(ctx context.Context, c Commit, was, now Grant) error
	// EndGrants records that grants, as they are known last, have been revoked since a moment, the commit's or an earlier one.
	EndGrants(ctx context.Context, c Commit, all []Grant, since time.Time) error
	// GrantsToEnd returns those of the grants of a region that EndGrants since a moment would change: the ones that are
	// not revoked, and the revoked ones that are known to have held at some time from then on.
	GrantsToEnd(ctx context.Context, home region.Name, org region.ID, ids []region.ID, since time.Time) ([]Grant, error)
	// SharesToEnd is GrantsToEnd for the direct shares of grants.
	SharesToEnd(ctx context.Context, home region.Name, org region.ID, of []region.ID, since time.Time) ([]Grant, error)
	// LiveShares returns the direct shares of a grant that are not revoked, ascending.
	LiveShares(ctx context.Context, org, grant region.ID) ([]Grant, error)
	// GrantHeldUntil returns until when a grant held before what is known of it last; zero when it did not.
	GrantHeldUntil(ctx context.Context, org, grant region.ID) (time.Time, error)
	// GrantsNaming returns the grants of all regions of the jurisdiction that name a subject and are not revoked.
	GrantsNaming(ctx context.Context, near region.Name, org, subject region.ID) (map[region.Name][]region.ID, error)
	// GrantsHeldBy returns the grants of a region that are not revoked and are to a person or shared by them.
	GrantsHeldBy(ctx context.Context, home region.Name, org, person region.ID) ([]region.ID, error)
	// ZonesAround returns the zones of a region that doors and zones are directly in.
	ZonesAround(ctx context.Context, home region.Name, org region.ID, of []region.ID) ([]region.ID, error)

	AddRole(ctx context.Context, c Commit, a RoleAssignment) error
	// EndRoles ends assignments at the commit's moment.
	EndRoles(ctx context.Context, c Commit, ids []region.ID) error
	// RolesNaming returns the assignments of all regions of the jurisdiction that name a subject and are not revoked.
	RolesNaming(ctx context.Context, near region.Name, org, subject region.ID) (map[region.Name][]region.ID, error)
}
