package gateway_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
	"github.com/cardea-mesh/cardea/services/policy/credential"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	in  = lockwirev1.Direction_DIRECTION_IN
	out = lockwirev1.Direction_DIRECTION_OUT
)

// doorIs changes the door; r.applied waits until a gateway has it.
func (p *place) doorIs(rules *permissionsv1.DoorRules, zones ...string) {
	p.t.Helper()
	p.put(outbox.SiteKey(p.org, p.site, "door", p.door), &permissionsv1.DoorState{
		TimeZone: "Europe/Berlin", UnlockFor: durationpb.New(3 * time.Second), ZoneIds: zones, Rules: rules,
	})
}

func (p *place) zoneIs(id region.ID, mode permissionsv1.AntiPassbackMode) {
	p.t.Helper()
	p.put(outbox.SiteKey(p.org, p.site, "zone", id), &permissionsv1.ZoneState{AntiPassback: &permissionsv1.AntiPassback{Mode: mode}})
}

func (p *place) grantIs(g *permissionsv1.GrantState) {
	p.t.Helper()
	g.TargetId = string(p.door)
	if g.SubjectId == "" {
		g.SubjectId = string(p.person)
	}
	p.put(outbox.SiteKey(p.org, p.site, "grant", p.grant), g)
}

// second makes another person with a card and a grant.
func (p *place) second() *lockwirev1.Card {
	p.t.Helper()
	card, person := locksim.Wiegand26(17, 4712), region.NewID(region.Person, "euc")
	p.carries(region.NewID(region.Credential, "euc"), person, card)
	p.put(outbox.SiteKey(p.org, p.site, "grant", region.NewID(region.Grant, "euc")), &permissionsv1.GrantState{
		SubjectId: string(person), TargetId: string(p.door),
	})
	return card
}

// applied waits until every gateway has what was written.
func (r *running) applied() {
	r.place.t.Helper()
	p := r.place
	got, err := r.service("permissions").WaitApplied(p.soon(), &gatewayv1.WaitAppliedRequest{
		OrgId: string(p.org), Region: string(home), Timeout: durationpb.New(10 * time.Second),
		Token: &typev1.ConsistencyToken{Service: "permissions", Region: string(home), OrgId: string(p.org), Version: p.version},
	})
	p.must(err)
	for _, g := range got.GetGateways() {
		if !g.GetApplied() {
			p.t.Fatalf("not applied: %v", got)
		}
	}
}

// is presents and wants the reason; 0: granted by a grant.
func (p *place) is(l *locksim.Lock, as locksim.Presented, want policy.Reason) locksim.Result {
	p.t.Helper()
	if as.Card == nil {
		as.Card = badge
	}
	if want == 0 {
		want = policy.ReasonGrant
	}
	got := l.PresentAs(p.soon(), as)
	if policy.Reason(got.Reason) != want || got.Granted != (want == policy.ReasonGrant || want == policy.ReasonAutoUnlock) {
		p.t.Fatalf("%s, granted %v (answered %v after %s), wanted %s", policy.Reason(got.Reason), got.Granted, got.Answered, got.Took, want)
	}
	return got
}

// decision is what the event of a result says.
func (e *events) decision(t *testing.T, l *locksim.Lock, r locksim.Result) *permissionsv1.Decision {
	t.Helper()
	payload := new(gatewayv1.LockEvent)
	if err := proto.Unmarshal(e.await(t, fmt.Sprintf("%s.%d.%d", l.DeviceID(), r.Epoch, r.Sequence)).GetPayload(), payload); err != nil {
		t.Fatal(err)
	}
	return payload.GetDecision()
}

func TestALockdownReachesOpenSessionsAtOnce(t *testing.T) {
	p := newPlace(t)
	g := p.start("")
	events := p.events()
	l := g.lock()
	p.is(l, locksim.Presented{}, 0)
	lockdown := region.NewID(region.Lockdown, "euc")
	key := outbox.SiteKey(p.org, p.site, "lockdown", lockdown)
	p.put(key, &permissionsv1.LockdownState{TargetId: string(p.site), Rank: 5})
	g.applied()
	got := p.is(l, locksim.Presented{}, policy.ReasonLockdown)
	if d := events.decision(t, l, got); d.GetLockdownId() != string(lockdown) || d.GetGrantId() != string(p.grant) {
		t.Fatalf("the event does not say which: %v", d)
	}
	p.grantIs(&permissionsv1.GrantState{OverrideRank: 5})
	g.applied()
	got = p.is(l, locksim.Presented{}, 0)
	if d := events.decision(t, l, got); d.GetLockdownId() != string(lockdown) {
		t.Fatalf("the event does not say what was overridden: %v", d)
	}
	p.put(key, &permissionsv1.LockdownState{TargetId: string(p.site), Rank: 10})
	g.applied()
	p.is(l, locksim.Presented{}, policy.ReasonLockdown)
	p.remove(key)
	g.applied()
	p.opens(l) // as soon as the lock has heard that it ended
}

func TestTheLastUseIsGivenOnce(t *testing.T) {
	p := newPlace(t)
	const limit, locks, tries = 5, 4, 3
	p.grantIs(&permissionsv1.GrantState{MaxUses: limit})
	one, other := p.start(""), p.start("")
	var all []*locksim.Lock
	for n := range locks {
		all = append(all, []*running{one, other}[n%2].lock())
	}
	one.applied()
	reasons := make(chan policy.Reason, locks*tries)
	var wait sync.WaitGroup
	for _, l := range all {
		wait.Go(func() {
			for range tries {
				reasons <- policy.Reason(l.Present(p.soon(), badge).Reason)
			}
		})
	}
	wait.Wait()
	count := map[policy.Reason]int{}
	for range locks * tries {
		count[<-reasons]++
	}
	if count[policy.ReasonGrant] != limit || count[policy.ReasonUsesExhausted] != locks*tries-limit {
		t.Fatalf("of %d uses: %v", limit, count)
	}
	// Another gateway that starts knows it as well.
	third := p.start("")
	p.is(third.lock(), locksim.Presented{}, policy.ReasonUsesExhausted)
}

func TestAntiPassbackHoldsOverGateways(t *testing.T) {
	p := newPlace(t)
	zone := region.NewID(region.Zone, "euc")
	p.zoneIs(zone, permissionsv1.AntiPassbackMode_ANTI_PASSBACK_MODE_HARD)
	p.doorIs(nil, string(zone))
	one, other := p.start(""), p.start("")
	events := p.events()
	first, second := one.lock(), other.lock()
	one.applied()
	p.is(first, locksim.Presented{Direction: in}, 0)
	// The other gateway may not have heard yet: then its write loses, and it decides again.
	got := p.is(second, locksim.Presented{Direction: in}, policy.ReasonAntiPassback)
	if d := events.decision(t, second, got); d.GetZoneId() != string(zone) {
		t.Fatalf("the event does not say which zone: %v", d)
	}
	p.is(second, locksim.Presented{Direction: out}, 0)
	p.is(first, locksim.Presented{Direction: out}, policy.ReasonAntiPassback)
	p.is(first, locksim.Presented{}, 0) // a reader that does not say: into the space

	p.zoneIs(zone, permissionsv1.AntiPassbackMode_ANTI_PASSBACK_MODE_SOFT)
	one.applied()
	got = p.is(second, locksim.Presented{Direction: in}, 0)
	if d := events.decision(t, second, got); d.GetWarning() != permissionsv1.DecisionReason_DECISION_REASON_ANTI_PASSBACK {
		t.Fatalf("no warning: %v", d)
	}
}

func TestTwoPeopleAtTwoGateways(t *testing.T) {
	p := newPlace(t)
	card := p.second()
	p.doorIs(&permissionsv1.DoorRules{TwoPersonWindow: durationpb.New(time.Minute)})
	one, other := p.start(""), p.start("")
	inside, outside := one.lock(), other.lock()
	one.applied()
	got := p.is(inside, locksim.Presented{}, policy.ReasonSecondPersonNeeded)
	if got.Feedback != lockwirev1.Feedback_FEEDBACK_SECOND_PERSON {
		t.Errorf("the reader shows %s", got.Feedback)
	}
	p.is(inside, locksim.Presented{}, policy.ReasonSecondPersonNeeded) // the same person twice is one
	p.is(outside, locksim.Presented{Card: card}, 0)
	p.is(outside, locksim.Presented{Card: card}, policy.ReasonSecondPersonNeeded) // nobody waits any more
}

func TestWithoutTheSharedStateTheDoorsOwnerDecides(t *testing.T) {
	p := newPlace(t)
	hard, soft := region.NewID(region.Zone, "euc"), region.NewID(region.Zone, "euc")
	p.zoneIs(hard, permissionsv1.AntiPassbackMode_ANTI_PASSBACK_MODE_HARD)
	p.zoneIs(soft, permissionsv1.AntiPassbackMode_ANTI_PASSBACK_MODE_SOFT)
	g := p.start("")
	events := p.events()
	l := g.lock()
	always := region.NewID(region.Schedule, "euc")
	var week []*permissionsv1.WeeklyInterval
	for day := int32(1); day <= 7; day++ {
		week = append(week, &permissionsv1.WeeklyInterval{Weekday: day, EndMinute: 1440})
	}
	p.put(outbox.SiteKey(p.org, p.site, "schedule", always), &permissionsv1.ScheduleState{
		TimeZone: "Etc/UTC", Spec: &permissionsv1.ScheduleSpec{Weekly: week},
	})
	boss := &permissionsv1.FirstPersonRule{SubjectId: "person_euc_boss", ScheduleId: string(always), HoldOthers: true}
	two := durationpb.New(time.Minute)
	const allow = permissionsv1.StateLoss_STATE_LOSS_ALLOW_AND_RECORD
	for _, c := range []struct {
		name    string
		grant   *permissionsv1.GrantState
		rules   *permissionsv1.DoorRules
		zones   []string
		is      policy.Reason
		warning permissionsv1.DecisionReason
	}{
		{"no rule", nil, nil, nil, 0, 0},
		{"two people, not stated", nil, &permissionsv1.DoorRules{TwoPersonWindow: two}, nil, policy.ReasonStateUnknown, 0},
		{"two people, allowed", nil, &permissionsv1.DoorRules{TwoPersonWindow: two, OnStateLoss: allow}, nil, 0, 20},
		{"first person, not stated", nil, &permissionsv1.DoorRules{FirstPerson: boss}, nil, policy.ReasonStateUnknown, 0},
		{"first person, allowed", nil, &permissionsv1.DoorRules{FirstPerson: boss, OnStateLoss: allow}, nil, 0, 20},
		{"whoever may be the first", nil, &permissionsv1.DoorRules{
			FirstPerson: &permissionsv1.FirstPersonRule{ScheduleId: string(always), HoldOthers: true},
		}, nil, 0, 20},
		{"soft anti-passback, not stated", nil, nil, []string{string(soft)}, policy.ReasonStateUnknown, 0},
		{"soft anti-passback, allowed", nil, &permissionsv1.DoorRules{OnStateLoss: allow}, []string{string(soft)}, 0, 20},
		{"hard anti-passback, allowed", nil, &permissionsv1.DoorRules{OnStateLoss: allow}, []string{string(hard)}, policy.ReasonStateUnknown, 0},
		{"a limited grant, allowed", &permissionsv1.GrantState{MaxUses: 9}, &permissionsv1.DoorRules{OnStateLoss: allow}, nil, policy.ReasonStateUnknown, 0},
		{"a standing open door", nil, &permissionsv1.DoorRules{AutoUnlockScheduleId: string(always)}, []string{string(hard)}, 0, 20},
		{"nobody's grant", &permissionsv1.GrantState{SubjectId: "person_euc_x"}, &permissionsv1.DoorRules{TwoPersonWindow: two}, nil, policy.ReasonNoGrant, 0},
		{"a second factor is asked all the same", nil, &permissionsv1.DoorRules{
			TwoPersonWindow: two, OnStateLoss: allow, SecondFactor: &permissionsv1.SecondFactorRule{},
		}, nil, policy.ReasonSecondFactorNeeded, 0},
	} {
		if c.grant == nil {
			c.grant = &permissionsv1.GrantState{}
		}
		p.grantIs(c.grant)
		p.doorIs(c.rules, c.zones...)
		g.applied()
		p.broker.Stop()
		p.eventually("the gateway notices", func() bool { return !g.broker.Connected() })
		t.Log(c.name)
		got := p.is(l, locksim.Presented{}, c.is)
		p.broker.Restart(t)
		p.awaitBroker()
		if d := events.decision(t, l, got); d.GetWarning() != c.warning {
			t.Errorf("%s: warning %s", c.name, d.GetWarning())
		}
	}
}

func TestALimitedGrantIsNotGivenAgainByANeighbour(t *testing.T) {
	p := newPlaces(t)
	p.grantIs(&permissionsv1.GrantState{MaxUses: 2})
	central, west := p.start(""), p.startIn(neighbour, "")
	atHome := central.lock()
	away := p.boot(central.enroll(), func(c *locksim.Config) { c.Endpoints = []string{west.locks} })
	p.must(away.WaitOpen(p.soon()))
	central.applied()
	p.eventually("the leaf reaches the home's state", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := west.broker.GetValue(ctx, home, bus.StateBucket(home), "any")
		return err == nil
	})
	p.is(atHome, locksim.Presented{}, 0)
	p.is(away, locksim.Presented{}, 0)
	p.is(away, locksim.Presented{}, policy.ReasonUsesExhausted)
	p.is(atHome, locksim.Presented{}, policy.ReasonUsesExhausted)
	p.several.Stop(home)
	p.is(away, locksim.Presented{}, policy.ReasonStateUnknown)
}

func TestASecondFactorIsVerifiedAndItsGuessesAreLimited(t *testing.T) {
	p := newPlace(t)
	digest := credential.PINDigest(p.key, string(p.person), "0427")
	p.put(outbox.OrgKey(p.org, "credential", region.NewID(region.Credential, "euc")), &identityv1.CredentialState{
		PersonId: string(p.person), Kind: identityv1.CredentialKind_CREDENTIAL_KIND_PIN,
		Digests: []*identityv1.CredentialDigest{{KeyId: string(p.keyID), Digest: digest[:]}},
	})
	stranger := p.second() // who has no PIN
	p.doorIs(&permissionsv1.DoorRules{SecondFactor: &permissionsv1.SecondFactorRule{}})
	g := p.start("")
	l := g.lock()
	g.applied()
	got := p.is(l, locksim.Presented{}, policy.ReasonSecondFactorNeeded)
	if got.Feedback != lockwirev1.Feedback_FEEDBACK_TYPE_PIN {
		t.Errorf("the reader shows %s", got.Feedback)
	}
	p.is(l, locksim.Presented{PIN: "0427"}, 0)
	p.is(l, locksim.Presented{Card: stranger, PIN: "0427"}, policy.ReasonSecondFactorWrong)
	for range 5 {
		p.is(l, locksim.Presented{PIN: "0428"}, policy.ReasonSecondFactorWrong)
	}
	p.is(l, locksim.Presented{PIN: "0427"}, policy.ReasonSecondFactorWrong) // not even looked at
	p.ahead.Add(int64(10 * time.Minute))
	p.is(l, locksim.Presented{PIN: "0427"}, 0)
}

func TestADoorThatStandsOpenOpensForEverybodyKnown(t *testing.T) {
	p := newPlace(t)
	always := region.NewID(region.Schedule, "euc")
	p.put(outbox.SiteKey(p.org, p.site, "schedule", always), &permissionsv1.ScheduleState{
		TimeZone: "Etc/UTC", Spec: &permissionsv1.ScheduleSpec{Weekly: []*permissionsv1.WeeklyInterval{
			{Weekday: 1, EndMinute: 1440}, {Weekday: 2, EndMinute: 1440}, {Weekday: 3, EndMinute: 1440}, {Weekday: 4, EndMinute: 1440},
			{Weekday: 5, EndMinute: 1440}, {Weekday: 6, EndMinute: 1440}, {Weekday: 7, EndMinute: 1440},
		}},
	})
	p.grantIs(&permissionsv1.GrantState{SubjectId: "person_euc_other"})
	p.doorIs(&permissionsv1.DoorRules{AutoUnlockScheduleId: string(always)})
	g := p.start("")
	l := g.lock()
	g.applied()
	got := p.is(l, locksim.Presented{}, policy.ReasonAutoUnlock)
	if got.Feedback != lockwirev1.Feedback_FEEDBACK_GRANTED || got.UnlockFor != 3*time.Second {
		t.Fatalf("%+v", got)
	}
}
