package access

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/policy/credential"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const goldenDoor = "door_euc_golden"

// goldenWorld are the facts from which a gateway would make a bundle: the way back.
type goldenWorld struct {
	t    *testing.T
	of   string
	door *lockwirev1.BundleDoor
	all  map[string]*typev1.StateRecord
}

func goldenFacts(t *testing.T, of, device string, content *lockwirev1.BundleContent) map[string]*typev1.StateRecord {
	t.Helper()
	w := &goldenWorld{t: t, of: of, door: new(lockwirev1.BundleDoor), all: map[string]*typev1.StateRecord{of + ".head.permissions.eu-central": head(1)}}
	if err := proto.Unmarshal(content.GetDoor(), w.door); err != nil {
		t.Fatal(err)
	}
	w.site("device."+device, &gatewayv1.DeviceState{DoorId: goldenDoor})
	w.keys()
	w.places()
	for _, s := range w.door.GetSchedules() {
		w.schedule(s.GetWindows(), s.GetRef())
	}
	for i, b := range content.GetEntries() {
		e := new(lockwirev1.BundleEntry)
		if err := proto.Unmarshal(b, e); err != nil {
			t.Fatal(err)
		}
		w.entry(i, e)
	}
	return w.all
}

func (w *goldenWorld) site(key string, m proto.Message) { w.all[w.of+".site.s."+key] = record(1, m) }
func (w *goldenWorld) org(key string, m proto.Message)  { w.all[w.of+".org."+key] = record(1, m) }

func (w *goldenWorld) keys() {
	ring, err := keyring.New([]keyring.Key{{ID: "state-1", Secret: [32]byte{1}}})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, key := range w.door.GetKeys() {
		wrapped, by := ring.Seal(key.GetKey(), credential.DigestKeyContext(w.of, key.GetId()))
		w.org("digest_key."+key.GetId(), &identityv1.DigestKeyState{Wrapped: wrapped, WrappingKeyId: by})
	}
}

// places are the door with its rules, its zones and its lockdowns.
func (w *goldenWorld) places() {
	r := w.door.GetRules()
	m := &permissionsv1.DoorState{TimeZone: "Etc/UTC", UnlockFor: durationpb.New(3 * time.Second), Rules: &permissionsv1.DoorRules{
		AutoUnlockScheduleId: named(w.door.GetOpenSchedule()),
	}}
	if r.GetAllowWithoutState() {
		m.Rules.OnStateLoss = permissionsv1.StateLoss_STATE_LOSS_ALLOW_AND_RECORD
	}
	if r.GetSecondFactor() {
		m.Rules.SecondFactor = &permissionsv1.SecondFactorRule{ScheduleId: named(r.GetSecondFactorSchedule())}
	}
	if r.GetTwoPerson() {
		m.Rules.TwoPersonWindow = durationpb.New(time.Minute)
	}
	if r.GetFirstPerson() {
		m.Rules.FirstPerson = &permissionsv1.FirstPersonRule{
			SubjectId: "group_leads", ScheduleId: named(r.GetFirstPersonSchedule()), HoldOthers: r.GetFirstPersonHoldsOthers(),
			Grace: durationpb.New(time.Duration(r.GetFirstPersonGraceMs()) * time.Millisecond),
		}
	}
	for _, z := range w.door.GetZones() {
		mode := permissionsv1.AntiPassbackMode_ANTI_PASSBACK_MODE_SOFT
		if z.GetHard() {
			mode = permissionsv1.AntiPassbackMode_ANTI_PASSBACK_MODE_HARD
		}
		m.ZoneIds = append(m.ZoneIds, z.GetZoneId())
		w.site("zone."+z.GetZoneId(), &permissionsv1.ZoneState{AntiPassback: &permissionsv1.AntiPassback{Mode: mode}})
	}
	w.site("door."+goldenDoor, m)
	for i, l := range w.door.GetLockdowns() {
		w.site(fmt.Sprint("lockdown.l", i), &permissionsv1.LockdownState{
			TargetId: goldenDoor, Rank: int32(l.GetRank()), StartsAt: stampOf(l.GetFromMs()), EndsAt: stampOf(l.GetToMs()),
		})
	}
}

func stampOf(ms uint64) *timestamppb.Timestamp {
	if ms == 0 {
		return nil
	}
	return timestamppb.New(time.UnixMilli(int64(ms)))
}

// named is a schedule's id, of those that all have to hold.
func named(refs ...uint64) string {
	var ids []string
	for _, ref := range refs {
		if ref != 0 {
			ids = append(ids, fmt.Sprint("schedule", ref))
		}
	}
	return strings.Join(ids, "-")
}

// schedule has windows on the one day of the vectors.
func (w *goldenWorld) schedule(windows []*lockwirev1.BundleWindow, refs ...uint64) {
	spec := new(permissionsv1.ScheduleSpec)
	for _, window := range windows {
		from, to := time.UnixMilli(int64(window.GetFromMs())).UTC(), time.UnixMilli(int64(window.GetToMs())).UTC()
		if from.Truncate(time.Minute) != from || to.Truncate(time.Minute) != to || from.YearDay() != to.YearDay() {
			w.t.Fatalf("a window from %s to %s is none of the minutes of a day", from, to)
		}
		spec.Weekly = append(spec.Weekly, &permissionsv1.WeeklyInterval{
			Weekday: int32(from.Weekday()), StartMinute: int32(from.Hour()*60 + from.Minute()), EndMinute: int32(to.Hour()*60 + to.Minute()),
		})
	}
	w.site("schedule."+named(refs...), &permissionsv1.ScheduleState{TimeZone: "Etc/UTC", Spec: spec})
}

// entry is a credential, its person's PIN and grants.
func (w *goldenWorld) entry(i int, e *lockwirev1.BundleEntry) {
	w.org("credential."+e.GetCredentialId(), &identityv1.CredentialState{PersonId: e.GetPersonId(), Digests: carriedDigests(e.GetDigests())})
	if len(e.GetPins()) > 0 {
		w.org(fmt.Sprint("credential.pin", i), &identityv1.CredentialState{
			PersonId: e.GetPersonId(), Kind: identityv1.CredentialKind_CREDENTIAL_KIND_PIN, Digests: carriedDigests(e.GetPins()),
		})
	}
	if e.GetMayBeFirst() {
		w.org(fmt.Sprint("membership.group_leads-", e.GetPersonId()), &permissionsv1.MembershipState{GroupId: "group_leads", MemberId: e.GetPersonId()})
	}
	for n, r := range e.GetRights() {
		g := &permissionsv1.GrantState{
			SubjectId: e.GetPersonId(), TargetId: goldenDoor, OverrideRank: int32(r.GetOverrideRank()), ValidFrom: stampOf(r.GetFromMs()), ValidTo: stampOf(r.GetToMs()),
			ScheduleId: named(r.GetSchedules()...),
		}
		if r.GetLimited() {
			g.MaxUses = 1
		}
		if len(r.GetSchedules()) > 1 {
			w.schedule(w.both(r.GetSchedules()), r.GetSchedules()...)
		}
		key := r.GetGrantId()
		for w.all[w.of+".site.s.grant."+key] != nil { // of another credential, and another grant here
			key = fmt.Sprint(key, "~", i, n)
		}
		w.site("grant."+key, g)
	}
}

// both are the windows in which two schedules hold.
func (w *goldenWorld) both(refs []uint64) (common []*lockwirev1.BundleWindow) {
	of := func(ref uint64) []*lockwirev1.BundleWindow {
		i := slices.IndexFunc(w.door.GetSchedules(), func(s *lockwirev1.BundleSchedule) bool { return s.GetRef() == ref })
		return w.door.GetSchedules()[i].GetWindows()
	}
	for _, a := range of(refs[0]) {
		for _, b := range of(refs[1]) {
			from, to := max(a.GetFromMs(), b.GetFromMs()), min(a.GetToMs(), b.GetToMs())
			if from < to {
				common = append(common, &lockwirev1.BundleWindow{FromMs: from, ToMs: to})
			}
		}
	}
	return common
}

func carriedDigests(all []*lockwirev1.BundleDigest) (out []*identityv1.CredentialDigest) {
	for _, d := range all {
		out = append(out, &identityv1.CredentialDigest{KeyId: d.GetKeyId(), Digest: d.GetDigest()})
	}
	return out
}
