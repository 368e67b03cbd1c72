package permissionstest

import (
	"testing"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
)

// LetShare grants a person or group a target that they may pass on, through depth shares.
func (n *Tenant) LetShare(t testing.TB, subject, target string, depth int32) string {
	t.Helper()
	out, err := n.Grant(t.Context(), &permissionsv1.GrantRequest{
		OrgId: string(n.Org), SubjectId: subject, TargetId: target, ShareDepth: depth, IdempotencyKey: n.Once(),
	})
	must(t, err)
	n.Token = out.GetToken()
	return out.GetGrantId()
}

// Share passes a grant on, with all that it opens, through depth further shares.
func (n *Tenant) Share(t testing.TB, grant, sharer, recipient string, depth int32) string {
	t.Helper()
	out, err := n.ShareGrant(t.Context(), &permissionsv1.ShareGrantRequest{
		OrgId: string(n.Org), GrantId: grant, SharerId: sharer, RecipientId: recipient, ShareDepth: depth, IdempotencyKey: n.Once(),
	})
	must(t, err)
	n.Token = out.GetToken()
	return out.GetGrantId()
}

// EndSince revokes a grant as of a moment in the past.
func (n *Tenant) EndSince(t testing.TB, grant string, since time.Time) {
	t.Helper()
	out, err := n.Revoke(t.Context(), &permissionsv1.RevokeRequest{OrgId: string(n.Org), GrantId: grant, EffectiveAt: stamp(since)})
	must(t, err)
	n.Token = out.GetToken()
}

// AddSince puts a member into a group as of a moment in the past.
func (n *Tenant) AddSince(t testing.TB, group, member string, since time.Time) {
	t.Helper()
	out, err := n.AddMember(t.Context(), &permissionsv1.AddMemberRequest{
		OrgId: string(n.Org), GroupId: group, MemberId: member, EffectiveAt: stamp(since),
	})
	must(t, err)
	n.Token = out.GetToken()
}

// TakeSince takes a member out of a group as of a moment in the past.
func (n *Tenant) TakeSince(t testing.TB, group, member string, since time.Time) {
	t.Helper()
	out, err := n.RemoveMember(t.Context(), &permissionsv1.RemoveMemberRequest{
		OrgId: string(n.Org), GroupId: group, MemberId: member, EffectiveAt: stamp(since),
	})
	must(t, err)
	n.Token = out.GetToken()
}

// TheGrant reads a grant.
func (n *Tenant) TheGrant(t testing.TB, id string) *permissionsv1.Grant {
	t.Helper()
	out, err := n.GetGrant(t.Context(), &permissionsv1.GetGrantRequest{
		OrgId: string(n.Org), GrantId: id, AtLeast: []*typev1.ConsistencyToken{n.Token},
	})
	must(t, err)
	return out
}

// TheGroup reads a group.
func (n *Tenant) TheGroup(t testing.TB, id string) *permissionsv1.Group {
	t.Helper()
	out, err := n.GetGroup(t.Context(), &permissionsv1.GetGroupRequest{
		OrgId: string(n.Org), GroupId: id, AtLeast: []*typev1.ConsistencyToken{n.Token},
	})
	must(t, err)
	return out
}
