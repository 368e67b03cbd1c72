package system

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1/gatewayv1connect"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
)

// Tenant is an organization with one site and one schedule that always holds, and clients with its API key.
type Tenant struct {
	Org, Site, Schedule string
	Identity            identityv1connect.IdentityServiceClient
	Permissions         permissionsv1connect.PermissionsServiceClient
	Gateway             gatewayv1connect.GatewayServiceClient
	system              *System
}

// Key is a new idempotency key.
func Key() string { return rand.Text() }

// NewTenant makes an organization.
func (s *System) NewTenant(ctx context.Context, word string) (*Tenant, error) {
	operator := identityv1connect.NewIdentityServiceClient(s.http, s.env["IDENTITY"], Bearer(s.env["OPERATOR_KEY"]))
	made, err := operator.CreateOrganization(ctx, &identityv1.CreateOrganizationRequest{
		Region: Home, Slug: word + "-" + strings.ToLower(rand.Text()[:8]), IdempotencyKey: Key(),
	})
	if err != nil {
		return nil, fmt.Errorf("create organization: %w", err)
	}
	key := Bearer(made.GetApiKey())
	t := &Tenant{
		Org: made.GetOrganization().GetId(), system: s,
		Identity:    identityv1connect.NewIdentityServiceClient(s.http, s.env["IDENTITY"], key),
		Permissions: permissionsv1connect.NewPermissionsServiceClient(s.http, s.env["PERMISSIONS"], key),
		Gateway:     gatewayv1connect.NewGatewayServiceClient(s.http, s.env["GATEWAY"], key),
	}
	site, err := t.Permissions.CreateSite(ctx, &permissionsv1.CreateSiteRequest{
		OrgId: t.Org, Region: Home, Name: "bench", TimeZone: "Europe/Madrid", IdempotencyKey: Key(),
	})
	if err != nil {
		return nil, fmt.Errorf("create site: %w", err)
	}
	t.Site = site.GetSiteId()
	always := new(permissionsv1.ScheduleSpec)
	for day := range int32(7) {
		always.Weekly = append(always.Weekly, &permissionsv1.WeeklyInterval{Weekday: day + 1, StartMinute: 0, EndMinute: 1440})
	}
	schedule, err := t.Permissions.CreateSchedule(ctx, &permissionsv1.CreateScheduleRequest{
		OrgId: t.Org, SiteId: t.Site, Name: "always", Spec: always, IdempotencyKey: Key(),
	})
	if err != nil {
		return nil, fmt.Errorf("create schedule: %w", err)
	}
	t.Schedule = schedule.GetScheduleId()
	return t, nil
}

// Door makes a door.
func (t *Tenant) Door(ctx context.Context, name string) (string, error) {
	made, err := t.Permissions.CreateDoor(ctx, &permissionsv1.CreateDoorRequest{
		OrgId: t.Org, SiteId: t.Site, Name: name, IdempotencyKey: Key(),
	})
	return made.GetDoorId(), err
}

// Group makes a group.
func (t *Tenant) Group(ctx context.Context, name string) (string, error) {
	made, err := t.Permissions.CreateGroup(ctx, &permissionsv1.CreateGroupRequest{
		OrgId: t.Org, Region: Home, Name: name, IdempotencyKey: Key(),
	})
	return made.GetGroupId(), err
}

// Zone makes a zone of doors.
func (t *Tenant) Zone(ctx context.Context, name string, doors []string) (string, error) {
	made, err := t.Permissions.CreateZone(ctx, &permissionsv1.CreateZoneRequest{
		OrgId: t.Org, Region: Home, Name: name, DoorIds: doors, IdempotencyKey: Key(),
	})
	return made.GetZoneId(), err
}

// Join puts somebody into a group.
func (t *Tenant) Join(ctx context.Context, group, member string) error {
	_, err := t.Permissions.AddMember(ctx, &permissionsv1.AddMemberRequest{OrgId: t.Org, GroupId: group, MemberId: member})
	return err
}

// Grant makes a grant on the schedule that always holds.
func (t *Tenant) Grant(ctx context.Context, target, subject string) (*permissionsv1.GrantResponse, error) {
	return t.Permissions.Grant(ctx, &permissionsv1.GrantRequest{
		OrgId: t.Org, TargetId: target, SubjectId: subject, ScheduleId: t.Schedule, IdempotencyKey: Key(),
	})
}

// Enforced waits until every gateway of the jurisdiction has applied a commit, for at most two minutes.
func (t *Tenant) Enforced(ctx context.Context, token *typev1.ConsistencyToken) error {
	ctx, cancel := context.WithTimeout(ctx, enforcedWithin)
	defer cancel()
	var last *permissionsv1.WaitEnforcedResponse
	for {
		wait, err := t.Permissions.WaitEnforced(ctx, &permissionsv1.WaitEnforcedRequest{OrgId: t.Org, Region: token.GetRegion(), Token: token})
		switch {
		case err != nil && last != nil:
			return fmt.Errorf("not enforced: %v; then: %w", last, err)
		case err != nil || wait.GetEnforced():
			return err
		}
		last = wait
	}
}

// enforcedWithin is for a machine that is busy with other things: each call waits for a few seconds of it.
const enforcedWithin = 2 * time.Minute
