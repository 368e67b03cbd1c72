package access

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/doorstate"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/bustest"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/policy"
	"github.com/cardea-mesh/cardea/services/policy/credential"
	"github.com/cardea-mesh/cardea/services/policy/policytest"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// TestScenariosFromTheAccessState asks the facts that a copy has read from the broker's bytes.
func TestScenariosFromTheAccessState(t *testing.T) {
	t.Parallel()
	for _, s := range policytest.Scenarios(t) {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			c, b, a, _ := open(t, t.TempDir())
			b.load("1", scenarioFacts(t, s, org))
			a.await(t, 1)
			for _, e := range s.Expect {
				e.Request.Door = doorID(e.Request.Door)
				if got := policy.Decide(e.Request, c.facts(), e.State, e.At); !reflect.DeepEqual(got, e.Want) {
					t.Errorf("testdata/%s.yaml:%d at %s:\n got %+v\nwant %+v", s.Name, e.Line, e.At, got, e.Want)
				}
			}
		})
	}
}

// TestScenariosAtADoor presents cards to a copy that keeps the state in a real broker, and compares with policy.Decide on the
// scenario's own facts and a plain memory.
func TestScenariosAtADoor(t *testing.T) {
	t.Parallel()
	broker := bustest.Start(t).Connect(t)
	states := doorstate.New(broker, slog.New(slog.DiscardHandler))
	background(t, states.Run)
	run := 0
	for _, s := range policytest.Scenarios(t) {
		t.Run(s.Name, func(t *testing.T) {
			c, b, a, _ := open(t, t.TempDir(), func(cfg *Config) {
				cfg.States, cfg.MaxAge, cfg.StateBound = states, 100*365*24*time.Hour, 10*time.Second
			})
			facts := s.Facts()
			var of string
			var memory policytest.Memory
			for i, e := range s.Expect {
				if e.Request.Entitled || e.Request.Credential != nil && e.Request.Credential.Status == policy.CredentialRevoked {
					continue // a gateway does not ask it so; a revoked card is an unknown one there
				}
				if e.Sequence == 0 || i == 0 || s.Expect[i-1].Sequence != e.Sequence {
					run++
					of = fmt.Sprint("org_euc_", run) // an organization of its own begins without any state
					b.load("1", scenarioFacts(t, s, of))
					memory = policytest.Memory{}
				}
				if e.Sequence == 0 {
					memory.Set(e.State, e.Request.Person, e.Request.Door)
					write(t, broker, states, of, e)
				}
				a.await(t, 1)
				present(t, s, c, facts, &memory, of, e)
			}
		})
	}
}

// present compares one swipe with policy.Decide, which is asked what the gateway asks.
func present(t *testing.T, s policytest.Scenario, c *Copy, facts policy.Facts, memory *policytest.Memory, of string, e policytest.Expectation) {
	t.Helper()
	req := e.Request
	if req.Direction != policy.DirectionExit {
		req.Direction = policy.DirectionEntry
	}
	m := &lockwirev1.AccessRequest{Card: cardOf(req.Person), Direction: lockwirev1.Direction_DIRECTION_IN}
	if req.Direction == policy.DirectionExit {
		m.Direction = lockwirev1.Direction_DIRECTION_OUT
	}
	if req.Credential != nil && req.Credential.Status != policy.CredentialActive {
		m.Card = cardOf("nobody at all")
	}
	switch req.SecondFactor {
	case policy.FactorNone:
	case policy.FactorRight:
		m.Pin = "0427"
	default:
		m.Pin = "0428"
	}
	want := policy.Decide(req, facts, memory.State(req.Person, req.Door), e.At)
	memory.Apply(want.Effects, req.Person, req.Door, e.At)
	got := c.Decide(t.Context(), of+"_device_"+string(doorID(req.Door)), m, e.At).Decision
	wanted := &permissionsv1.Decision{
		Outcome: permissionsv1.Outcome(want.Outcome), Reason: permissionsv1.DecisionReason(want.Reason), GrantId: string(want.Grant),
		ScheduleId: string(want.Schedule), LockdownId: string(want.Lockdown), ZoneId: string(want.Zone), Warning: permissionsv1.DecisionReason(want.Warning),
	}
	got.Revision = nil
	if got.String() != wanted.String() {
		t.Errorf("testdata/%s.yaml:%d: %s at %s at %s:\n got %v\nwant %v", s.Name, e.Line, req.Person, req.Door, e.At, got, wanted)
	}
}

// write puts a state into the bucket as other gateways left it, and waits until this one has heard of it.
func write(t *testing.T, b *bus.Bus, states *doorstate.Store, of string, e policytest.Expectation) {
	t.Helper()
	door := &gatewayv1.DoorRuleState{}
	if !e.State.FirstArrival.IsZero() {
		door.FirstArrival = timestamppb.New(e.State.FirstArrival)
	}
	if w := e.State.Waiting; w.Person != "" {
		door.WaitingPersonId, door.WaitingSince = string(w.Person), timestamppb.New(w.Since)
	}
	set := func(key string, body []byte) {
		if len(body) == 0 {
			return
		}
		if _, err := b.SetValue(t.Context(), b.Region(), bus.StateBucket(b.Region()), of+key, body, 0); err != nil {
			t.Fatal(err)
		}
	}
	for zone, p := range e.State.Presence {
		set(".zone."+string(zone)+"."+string(e.Request.Person),
			record(0, &gatewayv1.PresenceState{Inside: p.Inside, Since: timestamppb.New(p.Since)}).GetBody())
	}
	for grant, n := range e.State.Uses {
		set(".grant."+string(grant), record(0, &gatewayv1.GrantUseState{Uses: int64(n)}).GetBody())
	}
	set(".door."+string(doorID(e.Request.Door)), record(0, door).GetBody())
	needs := doorstate.Needs{Door: true, Zones: slices.Collect(maps.Keys(e.State.Presence)), Grants: slices.Collect(maps.Keys(e.State.Uses))}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		v := states.View(doorstate.Passage{Home: "eu-central", Org: of, Door: doorID(e.Request.Door), Person: e.Request.Person})
		if _, err := v.Load(t.Context(), needs); err != nil || time.Now().After(end) {
			t.Fatalf("the state did not arrive: %v", err)
		}
		now, err := v.State()
		if err == nil && len(now.Presence) == len(e.State.Presence) && len(now.Uses) == len(e.State.Uses) &&
			now.FirstArrival.Equal(e.State.FirstArrival) && now.Waiting.Person == e.State.Waiting.Person {
			return
		}
	}
}

// doorID makes a file's name an id: a door's region is read from it.
func doorID(name policy.DoorID) policy.DoorID { return "door_euc_" + name }

// cardOf is a person's card.
func cardOf(person policy.PersonID) *lockwirev1.Card {
	return &lockwirev1.Card{Format: lockwirev1.CardFormat_CARD_FORMAT_UID, BitLength: uint32(8 * len(person)), Bits: []byte(person)}
}

// scenarioFacts are a scenario's facts as the services write them.
func scenarioFacts(t *testing.T, s policytest.Scenario, of string) map[string]*typev1.StateRecord {
	all := map[string]*typev1.StateRecord{of + ".head.permissions.eu-central": head(1)}
	site := of + ".site.s."
	targets := map[string]string{}
	people := map[policy.PersonID]bool{}
	for _, d := range s.Doors {
		targets[string(d.ID)] = string(doorID(d.ID))
		at := "nowhere"
		if d.Site != "" {
			at = string(d.Site)
		}
		key := fmt.Sprintf("%s.site.%s.", of, at)
		all[key+"door."+string(doorID(d.ID))] = record(1, doorState(d))
		all[key+"device."+of+"_device_"+string(doorID(d.ID))] = record(1, &gatewayv1.DeviceState{DoorId: string(doorID(d.ID))})
	}
	target := func(id policy.TargetID) string {
		if door, ok := targets[string(id)]; ok {
			return door
		}
		return string(id)
	}
	for _, z := range s.Zones {
		m := &permissionsv1.ZoneState{}
		for _, parent := range z.Parents {
			m.ParentIds = append(m.ParentIds, string(parent))
		}
		if a := z.AntiPassback; a != nil {
			m.AntiPassback = &permissionsv1.AntiPassback{Mode: permissionsv1.AntiPassbackMode(a.Mode), ResetAfter: durationpb.New(a.ResetAfter)}
		}
		all[site+"zone."+string(z.ID)] = record(1, m)
	}
	for _, m := range s.Members {
		all[fmt.Sprintf("%s.org.membership.%s-%s", of, m.Group, m.Member)] = record(1, &permissionsv1.MembershipState{
			GroupId: string(m.Group), MemberId: string(m.Member),
		})
	}
	for _, g := range s.Grants {
		all[site+"grant."+string(g.ID)] = record(1, &permissionsv1.GrantState{
			SubjectId: string(g.Subject), TargetId: target(g.Target), ScheduleId: string(g.Schedule), ValidFrom: stamp(g.ValidFrom),
			ValidTo: stamp(g.ValidTo), MaxUses: int32(g.MaxUses), OverrideRank: int32(g.OverrideRank),
			SharedFromId: string(g.SharedFrom), SharerId: string(g.Sharer),
		})
	}
	for _, l := range s.Lockdowns {
		all[site+"lockdown."+string(l.ID)] = record(1, &permissionsv1.LockdownState{
			TargetId: target(l.Target), Rank: int32(l.Rank), StartsAt: stamp(l.From), EndsAt: stamp(l.Until),
		})
	}
	for id, w := range s.Schedules {
		all[site+"schedule."+string(id)] = record(1, scheduleState(w))
	}
	for _, e := range s.Expect {
		people[e.Request.Person] = true
	}
	delete(people, "")
	carried(t, all, of, people)
	return all
}

func doorState(d policy.Door) *permissionsv1.DoorState {
	m := &permissionsv1.DoorState{TimeZone: "Etc/UTC", Rules: &permissionsv1.DoorRules{AutoUnlockScheduleId: string(d.Rules.AutoUnlock)}}
	for _, z := range d.Zones {
		m.ZoneIds = append(m.ZoneIds, string(z))
	}
	if f := d.Rules.FirstPerson; f != nil {
		m.Rules.FirstPerson = &permissionsv1.FirstPersonRule{
			SubjectId: string(f.Subject), ScheduleId: string(f.Schedule), Grace: durationpb.New(f.Grace), HoldOthers: f.HoldOthers,
		}
	}
	if f := d.Rules.SecondFactor; f != nil {
		m.Rules.SecondFactor = &permissionsv1.SecondFactorRule{ScheduleId: string(f.Schedule)}
	}
	if w := d.Rules.TwoPersonWindow; w != 0 {
		m.Rules.TwoPersonWindow = durationpb.New(w)
	}
	return m
}

func scheduleState(s policytest.Schedule) *permissionsv1.ScheduleState {
	week := func(list []policy.WeeklyInterval) (all []*permissionsv1.WeeklyInterval) {
		for _, w := range list {
			all = append(all, &permissionsv1.WeeklyInterval{Weekday: int32(w.Weekday), StartMinute: int32(w.StartMinute), EndMinute: int32(w.EndMinute)})
		}
		return all
	}
	m := &permissionsv1.ScheduleState{TimeZone: s.TimeZone, Spec: &permissionsv1.ScheduleSpec{
		Weekly: week(s.Spec.Weekly), OnHolidays: week(s.Spec.OnHolidays),
	}}
	for _, e := range s.Spec.Exceptions {
		m.Spec.Exceptions = append(m.Spec.Exceptions, &permissionsv1.DatedException{Date: e.Date, EveryYear: e.EveryYear, Intervals: week(e.Intervals)})
	}
	for _, h := range s.Spec.Holidays {
		m.Holidays = append(m.Holidays, &permissionsv1.Holiday{Date: h.Date, EveryYear: h.EveryYear})
	}
	return m
}

// carried gives everybody a card and a PIN.
func carried(t *testing.T, all map[string]*typev1.StateRecord, of string, people map[policy.PersonID]bool) {
	t.Helper()
	ring, err := keyring.New([]keyring.Key{{ID: "state-1", Secret: [32]byte{1}}})
	if err != nil {
		t.Fatal(err)
	}
	key := [32]byte{9}
	wrapped, by := ring.Seal(key[:], credential.DigestKeyContext(of, "k"))
	all[of+".org.digest_key.k"] = record(1, &identityv1.DigestKeyState{Wrapped: wrapped, WrappingKeyId: by})
	for person := range people {
		card := cardOf(person)
		digest := credential.Digest(key, credential.KindCard, credential.FormatUID, card.GetBitLength(), card.GetBits())
		pin := credential.PINDigest(key, string(person), "0427")
		for kind, d := range map[identityv1.CredentialKind][32]byte{
			identityv1.CredentialKind_CREDENTIAL_KIND_CARD: digest, identityv1.CredentialKind_CREDENTIAL_KIND_PIN: pin,
		} {
			all[fmt.Sprintf("%s.org.credential.%s-%d", of, person, kind)] = record(1, &identityv1.CredentialState{
				PersonId: string(person), Kind: kind, Digests: []*identityv1.CredentialDigest{{KeyId: "k", Digest: d[:]}},
			})
		}
	}
}

func stamp(at time.Time) *timestamppb.Timestamp {
	if at.IsZero() {
		return nil
	}
	return timestamppb.New(at)
}

// background runs a part until the test ends.
func background(t *testing.T, part func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); part(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}
