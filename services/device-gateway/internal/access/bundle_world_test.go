package access

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/policy"
	"github.com/cardea-mesh/cardea/services/policy/credential"
	"github.com/cardea-mesh/cardea/services/policy/policytest"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"pgregory.net/rapid"
)

// bundleWorld is a small random organization whose door d has locks that decide alone.
type bundleWorld struct {
	policytest.Scenario
	shares bool
	issued time.Time
	door   *permissionsv1.DoorRules // but for what Scenario has
	// digits are each person's PIN; empty: none.
	digits map[string]string
	// broken: a zone could not be read.
	broken bool
	random *rand.Rand
}

// pick draws one of several; those that are listed twice are drawn more often.
func pick[T any](t *rapid.T, label string, of ...T) T { return rapid.SampledFrom(of).Draw(t, label) }

// daysOfChange are days on which clocks change, and one on which none do; and where.
var daysOfChange = []struct{ zone, day string }{
	{"Europe/Madrid", "2026-03-29"}, {"Europe/Madrid", "2026-10-25"}, {"America/New_York", "2026-11-01"},
	{"Australia/Lord_Howe", "2026-04-05"}, {"America/Havana", "2026-11-01"}, {"UTC", "2028-02-29"}, {"Asia/Kathmandu", "2026-06-17"},
}

var bundlePeople = []string{"p1", "p2", "p3", "p4"}

func drawBundleWorld(t *rapid.T) bundleWorld {
	w := bundleWorld{random: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)), digits: map[string]string{}}
	change := pick(t, "change", daysOfChange...)
	day, _ := time.Parse("2006-01-02", change.day)
	w.issued = day.Add(-12*time.Hour + time.Duration(w.random.IntN(24*60))*time.Minute)
	w.shares = rapid.Bool().Draw(t, "shares")
	w.drawSchedules(t, change.zone, day)
	zones := []policy.ZoneID{"z1", "z2", "z3"}
	for i, id := range zones {
		z := policy.Zone{ID: id, Parents: rapid.SliceOfN(rapid.SampledFrom(zones), 0, 1).Draw(t, "parents")}
		if rapid.IntRange(0, 3).Draw(t, "border") == 0 {
			z.AntiPassback = &policy.AntiPassback{Mode: pick[policy.AntiPassbackMode](t, "mode", 0, 1, 2, 2, 2)}
		}
		if i < 2 || rapid.Bool().Draw(t, "known") {
			w.Zones = append(w.Zones, z)
		}
	}
	w.Doors = []policy.Door{{
		ID: "d", Site: pick(t, "site", policy.SiteID(""), "s"), Rules: w.drawRules(t),
		Zones: rapid.SliceOfN(rapid.SampledFrom(zones), 0, 2).Draw(t, "zones"),
	}}
	subjects := append([]string{"g1", "g2", "g3"}, bundlePeople...)
	for range rapid.IntRange(1, 7).Draw(t, "memberships") {
		w.Members = append(w.Members, policytest.Member{
			Group: policy.GroupID(pick(t, "group", subjects[:3]...)), Member: policy.SubjectID(pick(t, "member", subjects...)),
		})
	}
	for i := range rapid.IntRange(1, 7).Draw(t, "grants") {
		w.Grants = append(w.Grants, w.drawGrant(t, policy.GrantID(fmt.Sprint("r", i)), subjects))
	}
	for _, id := range []policy.GrantID{"x1", "x2", "x3"} { // that mostly hold, or little would happen
		if rapid.IntRange(0, 3).Draw(t, "let in") > 0 {
			w.Grants = append(w.Grants, policy.Grant{
				ID: id, Subject: policy.SubjectID(pick(t, "who", "p1", "p2", "g1")), Target: pick[policy.TargetID](t, "where", "d", "d", "z1"),
				Schedule: pick[policy.ScheduleID](t, "when", "", "s1", "s2"), OverrideRank: pick(t, "overrides", 0, 5),
			})
		}
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "lockdowns") - 2 {
		w.Lockdowns = append(w.Lockdowns, policytest.Lockdown{
			Target: pick[policy.TargetID](t, "locked", "d", "z1", "z2", "s"),
			Lockdown: policy.Lockdown{
				ID: policy.LockdownID(fmt.Sprint("l", i)), Rank: pick(t, "rank", 0, 2, 2, 5, 10, 11),
				From: w.drawMoment(t, "begins"), Until: w.drawMoment(t, "ends"),
			},
		})
	}
	w.door = &permissionsv1.DoorRules{
		OnStateLoss: pick[permissionsv1.StateLoss](t, "on state loss", 0, 1, 2, 2),
		Offline: &permissionsv1.OfflineRule{
			Budget: durationpb.New(pick(t, "budget", 5*time.Minute, 26*time.Hour, 72*time.Hour)),
			After:  pick[permissionsv1.OfflineAfter](t, "after", 0, 1, 2, 3), EmergencySubjectId: "g1",
		},
	}
	w.broken = rapid.IntRange(0, 19).Draw(t, "broken") == 0
	return w
}

func (w *bundleWorld) drawSchedules(t *rapid.T, zone string, day time.Time) {
	w.Schedules = map[policy.ScheduleID]policytest.Schedule{}
	interval := func() policy.WeeklyInterval {
		start := w.random.IntN(1440)
		return policy.WeeklyInterval{Weekday: 1 + w.random.IntN(7), StartMinute: start, EndMinute: start + 1 + w.random.IntN(1440)}
	}
	for _, id := range []policy.ScheduleID{"s1", "s2", "s3"} {
		s := policytest.Schedule{TimeZone: zone}
		for range 2 + w.random.IntN(8) {
			s.Spec.Weekly = append(s.Spec.Weekly, interval())
		}
		if rapid.Bool().Draw(t, "exception") {
			s.Spec.Exceptions = []policy.DatedException{{Date: day.Format("2006-01-02"), Intervals: []policy.WeeklyInterval{interval()}}}
		}
		if rapid.Bool().Draw(t, "holiday") {
			s.Spec.Holidays = []policy.Holiday{{Date: day.AddDate(0, 0, 1).Format("2006-01-02"), EveryYear: true}}
			s.Spec.OnHolidays = []policy.WeeklyInterval{interval()}
		}
		w.Schedules[id] = s
	}
}

func (w *bundleWorld) drawRules(t *rapid.T) policy.DoorRules {
	rules := policy.DoorRules{
		AutoUnlock:      pick[policy.ScheduleID](t, "unlock", "", "", "s1", "s2", "missing"),
		TwoPersonWindow: pick(t, "window", 0, 0, 0, 30*time.Second),
	}
	if rapid.IntRange(0, 2).Draw(t, "first person") == 0 {
		rules.FirstPerson = &policy.FirstPerson{
			Subject: pick(t, "first", policy.SubjectID(""), "p1", "g1"), Schedule: pick[policy.ScheduleID](t, "pieces", "", "s1", "s2", "s3", "missing"),
			Grace: pick(t, "grace", 0, time.Hour), HoldOthers: rapid.Bool().Draw(t, "hold"),
		}
	}
	if rapid.IntRange(0, 2).Draw(t, "second factor") == 0 {
		rules.SecondFactor = &policy.SecondFactor{Schedule: pick[policy.ScheduleID](t, "asked", "", "s1", "s3", "missing")}
	}
	return rules
}

func (w *bundleWorld) drawGrant(t *rapid.T, id policy.GrantID, subjects []string) policy.Grant {
	g := policy.Grant{
		ID: id, Subject: policy.SubjectID(pick(t, "subject", subjects...)), Target: pick[policy.TargetID](t, "target", "d", "d", "z1", "z2", "z3", "elsewhere"),
		Schedule: pick[policy.ScheduleID](t, "schedule", "", "", "s1", "s2", "s3", "missing"), ValidFrom: w.drawMoment(t, "from"), ValidTo: w.drawMoment(t, "to"),
		MaxUses: pick(t, "uses", 0, 0, 0, 0, 2), OverrideRank: pick(t, "override", 0, 0, 2, 5, 9, 10),
	}
	if len(w.Grants) > 0 && w.shares && rapid.Bool().Draw(t, "share") {
		parent := w.Grants[rapid.IntRange(0, len(w.Grants)-1).Draw(t, "parent")]
		g.SharedFrom, g.Sharer = parent.ID, policy.PersonID(pick(t, "sharer", bundlePeople...))
		if rapid.Bool().Draw(t, "by its holder") {
			g.Sharer = policy.PersonID(parent.Subject)
		}
	}
	return g
}

// drawMoment is none, long ago, or soon, not always on a whole millisecond.
func (w *bundleWorld) drawMoment(t *rapid.T, label string) time.Time {
	soon := w.issued.Add(time.Duration(w.random.Int64N(int64(6 * time.Hour))))
	return pick(t, label, time.Time{}, time.Time{}, time.Time{}, w.issued.AddDate(0, 0, -1), w.issued, w.issued.Add(3*time.Minute), soon)
}

// records are the world as the services write it, in an organization.
func (w *bundleWorld) records(outer *testing.T, t *rapid.T, of string) map[string]*typev1.StateRecord {
	all := scenarioFacts(outer, w.Scenario, of)
	for key, r := range all {
		m := new(permissionsv1.DoorState)
		if k, _ := parseKey(key); k.kind == "door" && proto.Unmarshal(r.GetBody(), m) == nil {
			m.Rules.OnStateLoss, m.Rules.Offline, m.UnlockFor = w.door.GetOnStateLoss(), w.door.GetOffline(), durationpb.New(5*time.Second)
			all[key] = record(1, m)
		}
	}
	if w.broken {
		all[of+".site.s.zone.z1"] = &typev1.StateRecord{Version: 1, Body: []byte{0xff}}
	}
	ring, err := keyring.New([]keyring.Key{{ID: "state-1", Secret: [32]byte{1}}})
	if err != nil {
		t.Fatal(err)
	}
	keys := []string{"k", "k2", "k3"}[:rapid.IntRange(1, 3).Draw(t, "keys")]
	for i, id := range keys {
		key := [32]byte{9, byte(i)}
		wrapped, by := ring.Seal(key[:], credential.DigestKeyContext(of, id))
		all[of+".org.digest_key."+id] = record(1, &identityv1.DigestKeyState{Wrapped: wrapped, WrappingKeyId: by})
	}
	for _, person := range bundlePeople {
		for _, number := range []string{"", "x"} { // the second card of some
			if number == "x" && rapid.Bool().Draw(t, "one card") {
				continue
			}
			kind := pick(t, "kind", identityv1.CredentialKind_CREDENTIAL_KIND_CARD, identityv1.CredentialKind_CREDENTIAL_KIND_MOBILE)
			named := map[identityv1.CredentialKind]string{1: credential.KindCard, 2: credential.KindMobile}[kind]
			card := cardOf(policy.PersonID(person + number + "-card"))
			all[of+".org.credential.c-"+person+number] = w.carried(t, person, kind, keys, func(key [32]byte) [32]byte {
				return credential.Digest(key, named, credential.FormatUID, card.GetBitLength(), card.GetBits())
			})
		}
		if w.digits[person] = pick(t, "pin", "", "0427", "1111"); w.digits[person] != "" {
			all[of+".org.credential.pin-"+person] = w.carried(t, person, identityv1.CredentialKind_CREDENTIAL_KIND_PIN, keys, func(key [32]byte) [32]byte {
				return credential.PINDigest(key, person, w.digits[person])
			})
		}
	}
	return all
}

// carried has digests under some of the keys, and perhaps under one that is gone.
func (w *bundleWorld) carried(t *rapid.T, person string, kind identityv1.CredentialKind, keys []string, digest func([32]byte) [32]byte) *typev1.StateRecord {
	m := &identityv1.CredentialState{PersonId: person, Kind: kind}
	for i, id := range append(keys, "gone") {
		if i == 0 || rapid.IntRange(0, 2).Draw(t, "under") > 0 {
			d := digest([32]byte{9, byte(i)})
			m.Digests = append(m.Digests, &identityv1.CredentialDigest{KeyId: id, Digest: d[:]})
		}
	}
	return record(1, m)
}
