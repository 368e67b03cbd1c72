package story

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"connectrpc.com/connect"
	auditv1connect "github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1/auditv1connect"
	gatewayv1connect "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1/gatewayv1connect"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	euCentral = region.Name("eu-central")
	euWest    = region.Name("eu-west")
	usEast    = region.Name("us-east")
)

// tenant is who the story is about: what it made, and what happened at its doors.
type tenant struct {
	system System
	out    io.Writer
	http   *http.Client
	bearer string // the caller of the next request

	slug, org, site, usSite   string
	openNow, closedNow        string
	front, archive, usDoor    string
	person, visitor, group    string
	personName, personEmail   string
	personCard, visitorCard   card
	groupGrant                string
	lastGrant                 *permissionsv1.GrantResponse
	beforeRevoke, afterRevoke time.Time
	claims                    map[string]string // by door
	locks                     map[string]*lock  // by door
	swipes                    []swipe
}

func newTenant(system System, out io.Writer) *tenant {
	mark := make([]byte, 4)
	rand.Read(mark) // never fails
	word := hex.EncodeToString(mark)
	t := &tenant{
		system: system, out: out,
		slug:        "acme-" + word,
		personName:  "Ximena Quintanilla-" + word,
		personEmail: "ximena." + word + "@people.example",
		personCard:  newCard(), visitorCard: newCard(),
		claims: map[string]string{}, locks: map[string]*lock{},
	}
	t.bearer = system.OperatorKey()
	return t
}

func (t *tenant) close() {
	for _, l := range t.locks {
		l.close()
	}
}

// client is made when the first call needs it: by then the system is up and its CA file is there.
func (t *tenant) client() *http.Client {
	if t.http == nil {
		pool := x509.NewCertPool()
		pem, err := os.ReadFile(t.system.CAFile())
		if err == nil {
			pool.AppendCertsFromPEM(pem)
		}
		t.http = &http.Client{
			Timeout: 70 * time.Second, // longer than WaitEnforced's longest
			Transport: &http.Transport{
				TLSClientConfig:   &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13},
				ForceAttemptHTTP2: true,
			},
		}
	}
	return t.http
}

func (t *tenant) options() connect.ClientOption {
	return connect.WithInterceptors(connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			req.Header().Set("Authorization", "Bearer "+t.bearer)
			return next(ctx, req)
		}
	}))
}

func (t *tenant) identity(in region.Name) identityv1connect.IdentityServiceClient {
	return identityv1connect.NewIdentityServiceClient(t.client(), t.system.URL("identity", in), t.options())
}

func (t *tenant) permissions(in region.Name) permissionsv1connect.PermissionsServiceClient {
	return permissionsv1connect.NewPermissionsServiceClient(t.client(), t.system.URL("permissions", in), t.options())
}

func (t *tenant) gateway(in region.Name) gatewayv1connect.GatewayServiceClient {
	return gatewayv1connect.NewGatewayServiceClient(t.client(), t.system.URL("device-gateway", in), t.options())
}

func (t *tenant) audit(in region.Name) auditv1connect.AuditServiceClient {
	return auditv1connect.NewAuditServiceClient(t.client(), t.system.URL("audit", in), t.options())
}

// key is a new idempotency key.
func key() string { return rand.Text() }

func (t *tenant) createOrganizationAndSite(ctx context.Context) (string, error) {
	made, err := t.identity(euCentral).CreateOrganization(ctx, &identityv1.CreateOrganizationRequest{
		Region: string(euCentral), Slug: t.slug, IdempotencyKey: key(),
	})
	if err != nil {
		return "", fmt.Errorf("create organization: %w", err)
	}
	t.org, t.bearer = made.Organization.Id, made.ApiKey
	site, err := t.permissions(euCentral).CreateSite(ctx, &permissionsv1.CreateSiteRequest{
		OrgId: t.org, Region: string(euCentral), Name: "Calle de Alcala 1", TimeZone: madrid, IdempotencyKey: key(),
	})
	if err != nil {
		return "", fmt.Errorf("create site: %w", err)
	}
	t.site = site.SiteId
	return t.slug + " = " + t.org + ", " + t.site, nil
}

func (t *tenant) createSchedules(ctx context.Context) (string, error) {
	open, closed, err := schedulesAround(time.Now())
	if err != nil {
		return "", err
	}
	for _, s := range []struct {
		name string
		spec *permissionsv1.ScheduleSpec
		id   *string
	}{{"open now", open, &t.openNow}, {"closed now", closed, &t.closedNow}} {
		made, err := t.permissions(euCentral).CreateSchedule(ctx, &permissionsv1.CreateScheduleRequest{
			OrgId: t.org, SiteId: t.site, Name: s.name, Spec: s.spec, IdempotencyKey: key(),
		})
		if err != nil {
			return "", fmt.Errorf("create schedule %q: %w", s.name, err)
		}
		*s.id = made.ScheduleId
	}
	return "in " + madrid + ": open " + describe(open) + "; closed but for " + describe(closed), nil
}

func (t *tenant) createPersonAndGrants(ctx context.Context) (string, error) {
	var err error
	if t.person, err = t.createPerson(ctx, t.personName, t.personEmail, t.personCard); err != nil {
		return "", err
	}
	if t.visitor, err = t.createPerson(ctx, "A visitor", "", t.visitorCard); err != nil {
		return "", err
	}
	group, err := t.permissions(euCentral).CreateGroup(ctx, &permissionsv1.CreateGroupRequest{
		OrgId: t.org, Region: string(euCentral), Name: "staff", IdempotencyKey: key(),
	})
	if err != nil {
		return "", fmt.Errorf("create group: %w", err)
	}
	t.group = group.GroupId
	if _, err := t.permissions(euCentral).AddMember(ctx, &permissionsv1.AddMemberRequest{
		OrgId: t.org, GroupId: t.group, MemberId: t.person,
	}); err != nil {
		return "", fmt.Errorf("add member: %w", err)
	}
	onFront, err := t.grant(ctx, euCentral, t.front, t.group, t.openNow, time.Time{})
	if err != nil {
		return "", err
	}
	t.groupGrant = onFront.GrantId
	onArchive, err := t.grant(ctx, euCentral, t.archive, t.group, t.closedNow, time.Time{})
	if err != nil {
		return "", err
	}
	if err := t.enforced(ctx, euCentral, onArchive); err != nil {
		return "", err
	}
	return fmt.Sprintf("%q <%s> = %s", t.personName, t.personEmail, t.person), nil
}

func (t *tenant) createPerson(ctx context.Context, name, email string, c card) (string, error) {
	person, err := t.identity(euCentral).CreatePerson(ctx, &identityv1.CreatePersonRequest{
		OrgId: t.org, Region: string(euCentral), IdempotencyKey: key(),
		Fields: &identityv1.PersonalFields{Name: name, Email: email},
	})
	if err != nil {
		return "", fmt.Errorf("create person: %w", err)
	}
	if _, err := t.issue(ctx, &identityv1.IssueCredentialRequest{PersonId: person.PersonId, Card: c.number()}); err != nil {
		return "", err
	}
	return person.PersonId, nil
}

// grant makes a grant; a zero `until` is no end.
func (t *tenant) grant(ctx context.Context, in region.Name, target, subject, schedule string, until time.Time) (*permissionsv1.GrantResponse, error) {
	req := &permissionsv1.GrantRequest{
		OrgId: t.org, TargetId: target, SubjectId: subject, ScheduleId: schedule, IdempotencyKey: key(),
	}
	if !until.IsZero() {
		req.ValidTo = timestamppb.New(until)
	}
	made, err := t.permissions(in).Grant(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("grant %s to %s: %w", target, subject, err)
	}
	return made, nil
}

// enforced waits until every gateway honours a grant.
func (t *tenant) enforced(ctx context.Context, in region.Name, g *permissionsv1.GrantResponse) error {
	return t.waitEnforced(ctx, in, g.GetToken())
}

// waitEnforced waits until every gateway has applied a commit.
func (t *tenant) waitEnforced(ctx context.Context, in region.Name, token *typev1.ConsistencyToken) error {
	wait, err := t.permissions(in).WaitEnforced(ctx, &permissionsv1.WaitEnforcedRequest{OrgId: t.org, Region: token.GetRegion(), Token: token})
	if err != nil {
		return fmt.Errorf("wait for version %d: %w", token.GetVersion(), err)
	}
	if !wait.Enforced {
		return want(fmt.Sprintf("every gateway at version %d", token.GetVersion()), wait)
	}
	return nil
}

func describe(spec *permissionsv1.ScheduleSpec) string {
	var parts []string
	for _, w := range spec.Weekly {
		day := time.Weekday(w.Weekday % 7).String()[:3]
		parts = append(parts, fmt.Sprintf("%s %02d:%02d-%02d:%02d", day,
			w.StartMinute/60, w.StartMinute%60, w.EndMinute%1440/60, w.EndMinute%60))
	}
	return strings.Join(parts, ", ")
}
