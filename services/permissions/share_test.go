package permissions_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// sharing is a building in which somebody may pass on what they hold.
type sharing struct {
	t                *testing.T
	svc              *permissionstest.Service
	tenant           *permissionstest.Tenant
	door, other      string // both in the zone
	outside          string
	zone, office     string
	ana, bob, eva    string
	from, to         time.Time
	grant            *permissionsv1.Grant // to ana, of the zone
	groupGrant, team string               // to a group in a group with bob in it, of the zone
}

func newSharing(t *testing.T) *sharing {
	t.Helper()
	s := &sharing{t: t, svc: permissionstest.Start(t, rpctest.New(t), central)}
	s.tenant = s.svc.Tenant(t, central)
	site := s.tenant.Site(t, "UTC")
	s.door, s.other, s.outside = s.tenant.Door(t, site), s.tenant.Door(t, site), s.tenant.Door(t, site)
	s.zone, s.office = s.tenant.Zone(t, s.door, s.other), s.tenant.Schedule(t, site, officeHours())
	s.ana, s.bob, s.eva = s.tenant.Person(t), s.tenant.Person(t), s.tenant.Person(t)
	s.from = time.Now().Add(-time.Hour).Truncate(time.Microsecond)
	s.to = s.from.Add(1000 * time.Hour)
	out, err := s.tenant.Grant(t.Context(), &permissionsv1.GrantRequest{
		OrgId: string(s.tenant.Org), SubjectId: s.ana, TargetId: s.zone, ScheduleId: s.office, ValidFrom: timestamppb.New(s.from),
		ValidTo: timestamppb.New(s.to), MaxUses: 10, OverrideRank: 3, ShareDepth: 2, IdempotencyKey: s.tenant.Once(),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.tenant.Token = out.GetToken()
	s.grant = s.tenant.TheGrant(t, out.GetGrantId())
	s.team = s.tenant.Group(t, s.bob)
	s.groupGrant = s.tenant.LetShare(t, s.tenant.Group(t, s.team), s.zone, 1)
	return s
}

// share passes the grant on to eva, with changes of the request.
func (s *sharing) share(change func(*permissionsv1.ShareGrantRequest)) (*permissionsv1.Grant, error) {
	req := &permissionsv1.ShareGrantRequest{
		OrgId: string(s.tenant.Org), GrantId: s.grant.GetId(), SharerId: s.ana, RecipientId: s.eva, IdempotencyKey: s.tenant.Once(),
	}
	if change != nil {
		change(req)
	}
	out, err := s.tenant.ShareGrant(s.t.Context(), req)
	if err != nil {
		return nil, err
	}
	s.tenant.Token = out.GetToken()
	return s.tenant.TheGrant(s.t, out.GetGrantId()), nil
}

func TestAShareIsWhatTheSharerHoldsUnlessItIsLess(t *testing.T) {
	t.Parallel()
	s := newSharing(t)
	before := time.Now().Add(-time.Minute)
	whole, err := s.share(nil)
	if err != nil {
		t.Fatal(err)
	}
	if whole.GetSubjectId() != s.eva || whole.GetTargetId() != s.zone || whole.GetScheduleId() != s.office || whole.GetMaxUses() != 10 ||
		whole.GetOverrideRank() != 0 || whole.GetShareDepth() != 0 || whole.GetSharedFromId() != s.grant.GetId() || whole.GetSharerId() != s.ana ||
		!whole.GetValidTo().AsTime().Equal(s.to) || whole.GetValidFrom().AsTime().Before(before) {
		t.Errorf("the whole: %v", whole)
	}
	part, err := s.share(func(r *permissionsv1.ShareGrantRequest) {
		r.TargetId, r.MaxUses, r.ShareDepth = s.door, 1, 1
		r.ValidFrom, r.ValidTo = timestamppb.New(s.from), timestamppb.New(s.from.Add(2*time.Hour))
	})
	if err != nil {
		t.Fatal(err)
	}
	if part.GetTargetId() != s.door || part.GetMaxUses() != 1 || part.GetShareDepth() != 1 || !part.GetValidFrom().AsTime().Equal(s.from) {
		t.Errorf("a part: %v", part)
	}
	bob, err := s.share(func(r *permissionsv1.ShareGrantRequest) { r.GrantId, r.SharerId = s.groupGrant, s.bob })
	if err != nil || bob.GetSharerId() != s.bob || bob.GetValidTo() != nil {
		t.Errorf("through groups: %v, %v", bob, err)
	}
	key := string(s.tenant.Org) + ".site."
	s.svc.Broker.WaitHead(t, central, s.tenant.Token)
	for _, k := range s.svc.Broker.Keys(central, key) {
		if k[len(k)-len(part.GetId()):] == part.GetId() {
			state := read(t, s.svc, central, k, &permissionsv1.GrantState{})
			if state.GetSharedFromId() != s.grant.GetId() || state.GetSharerId() != s.ana || state.GetMaxUses() != 1 {
				t.Errorf("the gateways are told %v", state)
			}
			return
		}
	}
	t.Error("the gateways are not told")
}

func TestAShareBeyondWhatTheSharerHoldsIsRefused(t *testing.T) {
	t.Parallel()
	s := newSharing(t)
	expiring := s.tenant.LetFor(t, s.ana, s.door, "", time.Time{}, time.Now().Add(time.Hour))
	ended := s.tenant.LetShare(t, s.ana, s.door, 1)
	s.tenant.End(t, ended)
	whole := s.tenant.LetShare(t, s.ana, s.door, 1)
	type change = func(*permissionsv1.ShareGrantRequest)
	before := countRows(t, s.svc)
	for name, c := range map[string]struct {
		change change
		want   faultv1.Reason
	}{
		"a grant that may not be shared":    {func(r *permissionsv1.ShareGrantRequest) { r.GrantId = expiring }, faultv1.Reason_REASON_STATE_FORBIDS},
		"a revoked grant":                   {func(r *permissionsv1.ShareGrantRequest) { r.GrantId = ended }, faultv1.Reason_REASON_STATE_FORBIDS},
		"a grant of somebody else":          {func(r *permissionsv1.ShareGrantRequest) { r.SharerId = s.bob }, faultv1.Reason_REASON_STATE_FORBIDS},
		"a group's grant, not in the group": {func(r *permissionsv1.ShareGrantRequest) { r.GrantId = s.groupGrant }, faultv1.Reason_REASON_STATE_FORBIDS},
		"as deep as the grant":              {func(r *permissionsv1.ShareGrantRequest) { r.ShareDepth = 2 }, faultv1.Reason_REASON_STATE_FORBIDS},
		"more uses":                         {func(r *permissionsv1.ShareGrantRequest) { r.MaxUses = 11 }, faultv1.Reason_REASON_STATE_FORBIDS},
		"earlier":                           {func(r *permissionsv1.ShareGrantRequest) { r.ValidFrom = timestamppb.New(s.from.Add(-time.Second)) }, faultv1.Reason_REASON_STATE_FORBIDS},
		"longer":                            {func(r *permissionsv1.ShareGrantRequest) { r.ValidTo = timestamppb.New(s.to.Add(time.Second)) }, faultv1.Reason_REASON_STATE_FORBIDS},
		"a door outside the zone":           {func(r *permissionsv1.ShareGrantRequest) { r.TargetId = s.outside }, faultv1.Reason_REASON_STATE_FORBIDS},
		"the zone around the door":          {func(r *permissionsv1.ShareGrantRequest) { r.GrantId, r.TargetId = whole, s.zone }, faultv1.Reason_REASON_STATE_FORBIDS},
		"to oneself":                        {func(r *permissionsv1.ShareGrantRequest) { r.RecipientId = s.ana }, faultv1.Reason_REASON_INVALID_FIELD},
		"to a group":                        {func(r *permissionsv1.ShareGrantRequest) { r.RecipientId = s.team }, faultv1.Reason_REASON_WRONG_ID_KIND},
		"by a group":                        {func(r *permissionsv1.ShareGrantRequest) { r.SharerId = s.team }, faultv1.Reason_REASON_WRONG_ID_KIND},
		"of a person":                       {func(r *permissionsv1.ShareGrantRequest) { r.TargetId = s.bob }, faultv1.Reason_REASON_WRONG_ID_KIND},
		"four deep":                         {func(r *permissionsv1.ShareGrantRequest) { r.ShareDepth = 4 }, faultv1.Reason_REASON_INVALID_FIELD},
		"fewer than no uses":                {func(r *permissionsv1.ShareGrantRequest) { r.MaxUses = -1 }, faultv1.Reason_REASON_INVALID_FIELD},
		"ended yesterday":                   {func(r *permissionsv1.ShareGrantRequest) { r.ValidTo = timestamppb.New(s.from.Add(time.Minute)) }, faultv1.Reason_REASON_CLOCK_NONSENSE},
		"ends before it begins": {func(r *permissionsv1.ShareGrantRequest) {
			r.ValidFrom, r.ValidTo = timestamppb.New(s.from.Add(3*time.Hour)), timestamppb.New(s.from.Add(2*time.Hour))
		}, faultv1.Reason_REASON_CLOCK_NONSENSE},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := s.share(c.change); !fault.Is(err, c.want) {
				t.Errorf("got %v, %v, want %v", got, err, c.want)
			}
		})
	}
	if after := countRows(t, s.svc); after != before {
		t.Errorf("%d rows became %d", before, after)
	}
}

// chain is ana's grant, shared with bob, who shares it with eva.
func (s *sharing) chain() (first, second *permissionsv1.Grant) {
	s.t.Helper()
	first, err := s.share(func(r *permissionsv1.ShareGrantRequest) { r.RecipientId, r.ShareDepth = s.bob, 1 })
	if err != nil {
		s.t.Fatal(err)
	}
	second, err = s.share(func(r *permissionsv1.ShareGrantRequest) { r.GrantId, r.SharerId = first.GetId(), s.bob })
	if err != nil {
		s.t.Fatal(err)
	}
	return first, second
}

// revoked waits for the events of revocations, and returns them as "grant because".
func (s *sharing) revoked(n int) (told []string) {
	s.t.Helper()
	s.svc.Broker.WaitHead(s.t, central, s.tenant.Token)
	s.svc.Broker.Wait(s.t, "the revocations", func() bool { return len(s.svc.Broker.Events("grant_revoked")) >= n })
	for _, ev := range s.svc.Broker.Events("grant_revoked") {
		var p permissionsv1.GrantRevoked
		unmarshal(s.t, ev, &p)
		told = append(told, p.GetGrantId()+" "+p.GetBecauseOfId())
	}
	slices.Sort(told)
	return told
}

func TestARevocationEndsAllSharesBelow(t *testing.T) {
	t.Parallel()
	s := newSharing(t)
	first, second := s.chain()
	bystander, err := s.share(func(r *permissionsv1.ShareGrantRequest) { r.GrantId, r.SharerId = s.groupGrant, s.bob })
	if err != nil {
		t.Fatal(err)
	}
	s.tenant.End(t, s.grant.GetId())
	version := s.tenant.Token.GetVersion()
	want := []string{s.grant.GetId() + " ", first.GetId() + " " + s.grant.GetId(), second.GetId() + " " + first.GetId()}
	slices.Sort(want)
	if got := s.revoked(3); !slices.Equal(got, want) {
		t.Errorf("told\n%v\nwant\n%v", got, want)
	}
	for _, g := range []*permissionsv1.Grant{first, second} {
		if now := s.tenant.TheGrant(t, g.GetId()); !now.GetRevoked() {
			t.Errorf("lives: %v", now)
		}
		s.tenant.End(t, g.GetId()) // again
	}
	s.tenant.End(t, s.grant.GetId())
	if s.tenant.Token.GetVersion() != version {
		t.Errorf("revoked again in version %d, the first time in %d", s.tenant.Token.GetVersion(), version)
	}
	if s.tenant.TheGrant(t, bystander.GetId()).GetRevoked() {
		t.Error("another grant's share has ended")
	}
}

func TestConcurrentRevocationsOfATreeEndEachGrantOnce(t *testing.T) {
	t.Parallel()
	s := newSharing(t)
	first, second := s.chain()
	var wait sync.WaitGroup
	for _, id := range []string{s.grant.GetId(), first.GetId(), second.GetId(), s.grant.GetId()} {
		wait.Go(func() {
			_, err := s.tenant.Revoke(t.Context(), &permissionsv1.RevokeRequest{OrgId: string(s.tenant.Org), GrantId: id})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	s.tenant.Group(t)
	if got := s.revoked(3); len(got) != 3 {
		t.Errorf("told %v", got)
	}
}

func TestALateRevocationEndsTheSharesSinceThen(t *testing.T) {
	t.Parallel()
	s := newSharing(t)
	first, second := s.chain()
	lost := recordedAt(t, s.svc, s.tenant)
	s.tenant.Group(t)
	between := recordedAt(t, s.svc, s.tenant)
	s.tenant.EndSince(t, s.grant.GetId(), between)
	s.tenant.EndSince(t, s.grant.GetId(), lost) // corrected
	for _, id := range []string{s.grant.GetId(), first.GetId(), second.GetId()} {
		if g := s.tenant.TheGrant(t, id); !g.GetRevoked() || !g.GetValidTo().AsTime().Equal(lost) {
			t.Errorf("ended at %v, want %v", g.GetValidTo().AsTime(), lost)
		}
	}
}

func TestAnUpdateNarrowsTheSharesOrEndsThem(t *testing.T) {
	t.Parallel()
	s := newSharing(t)
	first, second := s.chain()
	req := updateOf(s.grant)
	req.MaxUses, req.ScheduleId, req.ValidTo = 4, "", timestamppb.New(s.to.Add(-time.Hour))
	update(t, s.tenant, req)
	for _, id := range []string{first.GetId(), second.GetId()} {
		if g := s.tenant.TheGrant(t, id); g.GetMaxUses() != 4 || g.GetScheduleId() != "" || !g.GetValidTo().AsTime().Equal(s.to.Add(-time.Hour)) || g.GetRevoked() {
			t.Errorf("narrowed to %v", g)
		}
	}
	req = updateOf(s.tenant.TheGrant(t, s.grant.GetId()))
	req.MaxUses, req.ValidTo = 0, nil // wider again: shares stay as they are
	update(t, s.tenant, req)
	if g := s.tenant.TheGrant(t, first.GetId()); g.GetMaxUses() != 4 || g.GetValidTo() == nil {
		t.Errorf("widened to %v", g)
	}

	for _, change := range []func(*permissionsv1.UpdateGrantRequest){
		func(r *permissionsv1.UpdateGrantRequest) { r.MaxUses = 0; r.ValidTo = nil },
		func(r *permissionsv1.UpdateGrantRequest) { r.ShareDepth = 3 },
		func(r *permissionsv1.UpdateGrantRequest) { r.OverrideRank = 1 },
		func(r *permissionsv1.UpdateGrantRequest) { r.ScheduleId = s.office },
	} {
		beyond := updateOf(s.tenant.TheGrant(t, second.GetId()))
		if change(beyond); func() bool {
			_, err := s.tenant.UpdateGrant(t.Context(), beyond)
			return !fault.Is(err, faultv1.Reason_REASON_STATE_FORBIDS)
		}() {
			t.Errorf("a share took more than its parent has: %v", beyond)
		}
	}

	req = updateOf(s.tenant.TheGrant(t, s.grant.GetId()))
	req.ShareDepth = 1 // one share deep, not two
	update(t, s.tenant, req)
	if one, two := s.tenant.TheGrant(t, first.GetId()), s.tenant.TheGrant(t, second.GetId()); one.GetRevoked() || one.GetShareDepth() != 0 || !two.GetRevoked() {
		t.Errorf("one deep:\n%v\n%v", one, two)
	}
	req = updateOf(s.tenant.TheGrant(t, s.grant.GetId()))
	req.ShareDepth = 0
	update(t, s.tenant, req)
	if got := s.revoked(2); !s.tenant.TheGrant(t, first.GetId()).GetRevoked() || len(got) != 2 {
		t.Errorf("not to be shared: %v", got)
	}
}

// The parent is put off: its shares begin with it, and those that would have ended by then end.
func TestAParentThatIsPutOffTakesItsSharesAlong(t *testing.T) {
	t.Parallel()
	s := newSharing(t)
	long, short := s.from.Add(900*time.Hour), s.from.Add(2*time.Hour)
	later := s.from.Add(20 * time.Hour)
	part := func(to time.Time) *permissionsv1.Grant {
		g, err := s.share(func(r *permissionsv1.ShareGrantRequest) { r.ValidTo = timestamppb.New(to) })
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	kept, ended := part(long), part(short)
	req := updateOf(s.grant)
	req.ValidFrom = timestamppb.New(later)
	update(t, s.tenant, req)
	if g := s.tenant.TheGrant(t, kept.GetId()); g.GetRevoked() || !g.GetValidFrom().AsTime().Equal(later) {
		t.Errorf("the long one: %v", g)
	}
	if g := s.tenant.TheGrant(t, ended.GetId()); !g.GetRevoked() {
		t.Errorf("the short one: %v", g)
	}
}

// A recipient of another jurisdiction is followed as if granted directly.
func TestAShareAcrossTheBorder(t *testing.T) {
	t.Parallel()
	b := newBorder(t)
	ana, bob := b.over.Person(t), b.home.Person(t)
	grant := b.over.LetShare(t, ana, b.door, 1)
	b.over.Share(t, grant, ana, bob, 0)
	b.waitFollows(t, "+"+bob+" us-east")
	b.over.End(t, grant)
	b.waitFollows(t, "+"+bob+" us-east", "-"+bob+" us-east")
	b.waitMay(t, bob, noGrant)
}

func TestAShareReachesThroughZonesInZones(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	site := tenant.Site(t, "UTC")
	door, lobby, elsewhere := tenant.Door(t, site), tenant.Door(t, site), tenant.Door(t, site)
	floor := tenant.Zone(t, door)
	house := tenant.ZoneOf(t, []string{lobby}, []string{floor})
	ana, bob := tenant.Person(t), tenant.Person(t)
	whole, part := tenant.LetShare(t, ana, house, 1), tenant.LetShare(t, ana, floor, 1)
	for _, c := range []struct {
		grant, target string
		want          bool
	}{
		{whole, house, true}, {whole, floor, true}, {whole, door, true}, {whole, lobby, true}, {whole, elsewhere, false},
		{part, floor, true}, {part, door, true}, {part, lobby, false}, {part, house, false},
	} {
		_, err := tenant.ShareGrant(t.Context(), &permissionsv1.ShareGrantRequest{
			OrgId: string(tenant.Org), GrantId: c.grant, SharerId: ana, RecipientId: bob, TargetId: c.target, IdempotencyKey: tenant.Once(),
		})
		if (err == nil) != c.want || err != nil && !fault.Is(err, faultv1.Reason_REASON_STATE_FORBIDS) {
			t.Errorf("%s of the grant at %s: %v, want %v", c.target, map[string]string{whole: house, part: floor}[c.grant], err, c.want)
		}
	}
}
