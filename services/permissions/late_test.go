package permissions_test

import (
	"testing"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// late is a door that a group may open, and moments between its writes.
type late struct {
	t                   *testing.T
	svc                 *permissionstest.Service
	tenant              *permissionstest.Tenant
	door, person, group string
	grant               string
}

func newLate(t *testing.T) *late {
	t.Helper()
	l := &late{t: t, svc: permissionstest.Start(t, rpctest.New(t), central)}
	l.tenant = l.svc.Tenant(t, central)
	l.door, l.person = l.tenant.Door(t, l.tenant.Site(t, "UTC")), l.tenant.Person(t)
	l.group = l.tenant.Group(t)
	l.grant = l.tenant.Let(t, l.group, l.door, "")
	return l
}

// mark is the moment of the last write.
func (l *late) mark() time.Time { return recordedAt(l.t, l.svc, l.tenant) }

// pass makes an unrelated commit and returns its moment.
func (l *late) pass() time.Time {
	l.tenant.Group(l.t)
	return l.mark()
}

// could says, for each moment, whether the person could open the door then, as it was known at another moment.
func (l *late) could(known time.Time, want string, at ...time.Time) {
	l.t.Helper()
	got := ""
	for _, moment := range at {
		found := everybody(l.t, l.tenant, &permissionsv1.AccessAtRequest{
			DoorId: l.door, At: timestamppb.New(moment), KnownAt: timestamppb.New(known),
		})
		got += map[bool]string{true: "+", false: "-"}[len(found) > 0]
	}
	if got != want {
		l.t.Errorf("known at %v: %s, want %s", known, got, want)
	}
}

func TestALateMembershipHeldAllAlongAsKnownNowAndNotAsKnownThen(t *testing.T) {
	t.Parallel()
	l := newLate(t)
	before := l.mark()
	joined := l.pass()
	between := l.pass()
	l.tenant.AddSince(t, l.group, l.person, joined)
	told := l.mark()
	l.could(between, "---", before, joined, between)
	l.could(told, "-+++", before, joined, between, told)
	wantDecision(t, l.tenant.May(t, l.person, l.door, time.Time{}), granted, l.grant, "")

	// Even earlier: what is known grows, and what was known stays.
	l.tenant.AddSince(t, l.group, l.person, before)
	l.could(l.mark(), "++++", before, joined, between, told)
	l.could(told, "-+++", before, joined, between, told)
	l.could(between, "---", before, joined, between)

	version := l.tenant.Token.GetVersion()
	l.tenant.AddSince(t, l.group, l.person, joined) // they are known to have been in then
	if l.tenant.Token.GetVersion() != version {
		t.Errorf("an addition that changes nothing has made version %d of %d", l.tenant.Token.GetVersion(), version)
	}
}

func TestALateRemovalCorrectsWhatIsKnownNowAndNotWhatWasKnown(t *testing.T) {
	t.Parallel()
	l := newLate(t)
	before := l.mark()
	l.tenant.Add(t, l.group, l.person)
	in := l.mark()
	left := l.pass()
	between := l.pass()
	l.tenant.TakeSince(t, l.group, l.person, left)
	told := l.mark()
	l.could(between, "-+++", before, in, left, between)
	l.could(told, "-+---", before, in, left, between, told)
	wantDecision(t, l.tenant.May(t, l.person, l.door, time.Time{}), noGrant, "", "")

	// They were never in at all.
	l.tenant.TakeSince(t, l.group, l.person, before)
	corrected := l.mark()
	l.could(corrected, "-----", before, in, left, between, told)
	l.could(told, "-+---", before, in, left, between, told)
	l.could(between, "-+++", before, in, left, between)

	version := l.tenant.Token.GetVersion()
	l.tenant.TakeSince(t, l.group, l.person, in)
	if l.tenant.Token.GetVersion() != version {
		t.Error("a removal that changes nothing was written")
	}
	l.tenant.Add(t, l.group, l.person)
	l.could(l.mark(), "---+", before, in, told, l.mark())
	l.tenant.AddSince(t, l.group, l.person, in) // over two stays that never were, and into the open one
	l.tenant.TakeSince(t, l.group, l.person, in)
	l.tenant.AddSince(t, l.group, l.person, in)
	l.could(l.mark(), "-++++", before, in, left, told, l.mark())
}

func TestAStayInsideAnother(t *testing.T) {
	t.Parallel()
	l := newLate(t)
	first := l.pass()
	second := l.pass()
	third := l.pass()
	l.tenant.AddSince(t, l.group, l.person, first)
	l.tenant.TakeSince(t, l.group, l.person, third) // in from the first to the third
	l.tenant.AddSince(t, l.group, l.person, second) // and, told later, since the second
	now := l.mark()
	l.could(now, "++++", first, second, third, now)
	l.tenant.TakeSince(t, l.group, l.person, second)
	l.could(l.mark(), "+---", first, second, third, l.mark())
	l.could(now, "++++", first, second, third, now)
}

func TestALateRevocationCorrectsWhatIsKnownNowAndNotWhatWasKnown(t *testing.T) {
	t.Parallel()
	l := newLate(t)
	l.tenant.Add(t, l.group, l.person)
	held := l.mark()
	lost := l.pass()
	between := l.pass()
	l.tenant.EndSince(t, l.grant, lost)
	told := l.mark()
	l.could(between, "+++", held, lost, between)
	l.could(told, "+---", held, lost, between, told)

	// It was lost earlier still; a repetition is none.
	l.tenant.EndSince(t, l.grant, held)
	earlier := l.mark()
	l.could(earlier, "----", held, lost, between, told)
	l.could(told, "+---", held, lost, between, told)
	for _, since := range []time.Time{held, lost, {}} {
		version := l.tenant.Token.GetVersion()
		l.tenant.EndSince(t, l.grant, since)
		if l.tenant.Token.GetVersion() != version {
			t.Errorf("the repetition since %v names version %d, the revocation %d", since, l.tenant.Token.GetVersion(), version)
		}
	}
	if l.mark() != earlier {
		t.Error("a repetition was written")
	}
}

// An update has cut the grant's time in two; the revocation reaches into the first part.
func TestALateRevocationReachesBehindAnUpdate(t *testing.T) {
	t.Parallel()
	l := newLate(t)
	l.tenant.Add(t, l.group, l.person)
	held := l.mark()
	lost := l.pass()
	req := updateOf(l.tenant.TheGrant(t, l.grant))
	req.MaxUses = 5
	update(t, l.tenant, req)
	updated := l.mark()
	l.tenant.EndSince(t, l.grant, lost)
	told := l.mark()
	l.could(told, "+---", held, lost, updated, told)
	l.could(updated, "+++", held, lost, updated)
	if g := l.tenant.TheGrant(t, l.grant); !g.GetRevoked() || g.GetValidTo().AsTime().After(updated) {
		t.Errorf("the grant: %v", g)
	}
}

func TestWhatALateUpdateTookOutOfAZoneBeforeItWasPutInIsOutInMemoryToo(t *testing.T) {
	t.Parallel()
	l := newLate(t)
	site := l.tenant.Site(t, "UTC")
	stays, door := l.tenant.Door(t, site), l.tenant.Door(t, site)
	inner, outer := l.tenant.Zone(t, door), l.tenant.Zone(t, stays)
	grant := l.tenant.Let(t, l.person, outer, "")
	before := l.mark()
	for name, in := range map[string][2][]string{"door": {{stays, door}, nil}, "zone": {{stays}, {inner}}} {
		if err := setZone(t, l.tenant, outer, in[0], in[1]); err != nil {
			t.Fatal(err)
		}
		wantDecision(t, l.tenant.May(t, l.person, door, time.Time{}), granted, grant, "")
		out, err := l.tenant.UpdateZone(t.Context(), &permissionsv1.UpdateZoneRequest{
			OrgId: string(l.tenant.Org), ZoneId: outer, Etag: getZone(t, l.tenant, outer).GetEtag(), Name: "Zone",
			DoorIds: []string{stays}, EffectiveAt: timestamppb.New(before),
		})
		l.tenant.Token = must(t, out, err).GetToken()
		if got := l.tenant.May(t, l.person, door, time.Time{}); got.GetOutcome() != permissionsv1.Outcome_OUTCOME_DENIED {
			t.Errorf("%s: %v", name, got)
		}
		wantDecision(t, l.tenant.May(t, l.person, stays, time.Time{}), granted, grant, "")
	}
}
