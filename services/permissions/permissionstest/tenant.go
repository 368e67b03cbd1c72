package permissionstest

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Tenant is an organization with a key that may do everything. Its builders fail the test on an error; what they make
// lives in Home. Token is that of the last write.
type Tenant struct {
	permissionsv1connect.PermissionsServiceClient
	Org        region.ID
	Home       region.Name
	Token      *typev1.ConsistencyToken
	Credential config.Secret

	regions *region.Map
	calls   atomic.Int64
}

// AllPermissions are those of a tenant's callers.
func AllPermissions() []string {
	return []string{
		"sites.read", "sites.write", "doors.read", "doors.write", "zones.read", "zones.write", "schedules.read", "schedules.write",
		"groups.read", "groups.write", "grants.read", "grants.write", "grants.share", "lockdowns.read", "lockdowns.write",
		"roles.read", "roles.write", "imports.write", "access.check", "access.history",
	}
}

// Tenant makes an organization of a region, as a caller of this service.
func (s *Service) Tenant(t testing.TB, home region.Name) *Tenant {
	t.Helper()
	org := region.NewID(region.Organization, s.Mesh.Region(t, home).Code)
	return s.TenantOf(org, home)
}

// TenantOf is another caller of an organization, which builds in home.
func (s *Service) TenantOf(org region.ID, home region.Name) *Tenant {
	key := s.Mesh.Key(org, AllPermissions()...)
	return &Tenant{PermissionsServiceClient: s.Client(key), Org: org, Home: home, Credential: key, regions: s.Mesh.Regions}
}

// Once is a new idempotency key.
func (n *Tenant) Once() string { return fmt.Sprint("call-", n.calls.Add(1)) }

// Site makes a site.
func (n *Tenant) Site(t testing.TB, timeZone string) string {
	t.Helper()
	out, err := n.CreateSite(t.Context(), &permissionsv1.CreateSiteRequest{
		OrgId: string(n.Org), Region: string(n.Home), Name: "Site", TimeZone: timeZone, IdempotencyKey: n.Once(),
	})
	must(t, err)
	n.Token = out.GetToken()
	return out.GetSiteId()
}

// Door makes a door of a site.
func (n *Tenant) Door(t testing.TB, site string) string {
	t.Helper()
	out, err := n.CreateDoor(t.Context(), &permissionsv1.CreateDoorRequest{
		OrgId: string(n.Org), SiteId: site, Name: "Door", IdempotencyKey: n.Once(),
	})
	must(t, err)
	n.Token = out.GetToken()
	return out.GetDoorId()
}

// Zone makes a zone of doors.
func (n *Tenant) Zone(t testing.TB, doors ...string) string {
	t.Helper()
	out, err := n.CreateZone(t.Context(), &permissionsv1.CreateZoneRequest{
		OrgId: string(n.Org), Region: string(n.Home), Name: "Zone", DoorIds: doors, IdempotencyKey: n.Once(),
	})
	must(t, err)
	n.Token = out.GetToken()
	return out.GetZoneId()
}

// Schedule makes a schedule of a site.
func (n *Tenant) Schedule(t testing.TB, site string, spec *permissionsv1.ScheduleSpec) string {
	t.Helper()
	out, err := n.CreateSchedule(t.Context(), &permissionsv1.CreateScheduleRequest{
		OrgId: string(n.Org), SiteId: site, Name: "Schedule", Spec: spec, IdempotencyKey: n.Once(),
	})
	must(t, err)
	n.Token = out.GetToken()
	return out.GetScheduleId()
}

// Group makes a group with members.
func (n *Tenant) Group(t testing.TB, members ...string) string {
	t.Helper()
	out, err := n.CreateGroup(t.Context(), &permissionsv1.CreateGroupRequest{
		OrgId: string(n.Org), Region: string(n.Home), Name: "Group", IdempotencyKey: n.Once(),
	})
	must(t, err)
	n.Token = out.GetToken()
	for _, member := range members {
		n.Add(t, out.GetGroupId(), member)
	}
	return out.GetGroupId()
}

// Add puts a member into a group.
func (n *Tenant) Add(t testing.TB, group, member string) {
	t.Helper()
	out, err := n.AddMember(t.Context(), &permissionsv1.AddMemberRequest{OrgId: string(n.Org), GroupId: group, MemberId: member})
	must(t, err)
	n.Token = out.GetToken()
}

// Take takes a member out of a group.
func (n *Tenant) Take(t testing.TB, group, member string) {
	t.Helper()
	out, err := n.RemoveMember(t.Context(), &permissionsv1.RemoveMemberRequest{OrgId: string(n.Org), GroupId: group, MemberId: member})
	must(t, err)
	n.Token = out.GetToken()
}

// Person is a new person's id. Permissions knows nobody by anything else.
func (n *Tenant) Person(t testing.TB) string {
	t.Helper()
	home, err := n.regions.Lookup(n.Home)
	must(t, err)
	return string(region.NewID(region.Person, home.Code))
}

// Let grants a subject a target; schedule may be empty.
func (n *Tenant) Let(t testing.TB, subject, target, schedule string) string {
	t.Helper()
	return n.LetFor(t, subject, target, schedule, time.Time{}, time.Time{})
}

// LetFor is Let with a validity; zero times are unset.
func (n *Tenant) LetFor(t testing.TB, subject, target, schedule string, from, to time.Time) string {
	t.Helper()
	out, err := n.Grant(t.Context(), &permissionsv1.GrantRequest{
		OrgId: string(n.Org), SubjectId: subject, TargetId: target, ScheduleId: schedule, IdempotencyKey: n.Once(),
		ValidFrom: stamp(from), ValidTo: stamp(to),
	})
	must(t, err)
	n.Token = out.GetToken()
	return out.GetGrantId()
}

// End revokes a grant.
func (n *Tenant) End(t testing.TB, grant string) {
	t.Helper()
	out, err := n.Revoke(t.Context(), &permissionsv1.RevokeRequest{OrgId: string(n.Org), GrantId: grant})
	must(t, err)
	n.Token = out.GetToken()
}

// May asks whether a person may open a door at a time; zero: now.
func (n *Tenant) May(t testing.TB, person, door string, at time.Time) *permissionsv1.Decision {
	t.Helper()
	out, err := n.Check(t.Context(), &permissionsv1.CheckRequest{
		OrgId: string(n.Org), DoorId: door, PersonId: person, At: stamp(at), AtLeast: []*typev1.ConsistencyToken{n.Token},
	})
	must(t, err)
	return out.GetDecision()
}

func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
