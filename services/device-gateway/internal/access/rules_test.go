package access

import (
	"reflect"
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/policy"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const site = org + ".site.s."

// every is one fact of each kind, with every field of it.
func every() map[string]proto.Message {
	return map[string]proto.Message{
		site + "door.d": &permissionsv1.DoorState{
			TimeZone: "Europe/Berlin", UnlockFor: durationpb.New(4 * time.Second), ZoneIds: []string{"z"},
			Rules: &permissionsv1.DoorRules{
				AutoUnlockScheduleId: "auto",
				FirstPerson:          &permissionsv1.FirstPersonRule{SubjectId: "g", ScheduleId: "s", Grace: durationpb.New(time.Hour), HoldOthers: true},
				SecondFactor:         &permissionsv1.SecondFactorRule{ScheduleId: "s2"},
				TwoPersonWindow:      durationpb.New(time.Minute),
				OnStateLoss:          permissionsv1.StateLoss_STATE_LOSS_ALLOW_AND_RECORD,
			},
		},
		site + "zone.z": &permissionsv1.ZoneState{ParentIds: []string{"y"}, AntiPassback: &permissionsv1.AntiPassback{
			Mode: permissionsv1.AntiPassbackMode_ANTI_PASSBACK_MODE_SOFT, ResetAfter: durationpb.New(time.Hour),
		}},
		site + "zone.y": &permissionsv1.ZoneState{},
		site + "lockdown.l": &permissionsv1.LockdownState{
			TargetId: "y", Rank: 3, StartsAt: timestamppb.New(time.Unix(100, 0)), EndsAt: timestamppb.New(time.Unix(200, 0)),
		},
		site + "grant.parent": &permissionsv1.GrantState{SubjectId: "p", TargetId: "d", MaxUses: 7, OverrideRank: 4},
		site + "grant.share": &permissionsv1.GrantState{
			SubjectId: "q", TargetId: "d", ScheduleId: "s", SharedFromId: "parent", SharerId: "p", ValidTo: timestamppb.New(time.Unix(300, 0)),
		},
		site + "schedule.s": &permissionsv1.ScheduleState{
			TimeZone: "Etc/UTC",
			Spec: &permissionsv1.ScheduleSpec{
				Weekly:     []*permissionsv1.WeeklyInterval{{Weekday: 5, EndMinute: 1440}},
				OnHolidays: []*permissionsv1.WeeklyInterval{{Weekday: 1, StartMinute: 600, EndMinute: 660}},
			},
			Holidays: []*permissionsv1.Holiday{{Date: "2026-12-25", EveryYear: true}}, // a Friday
		},
	}
}

func records(version int64, facts map[string]proto.Message) map[string]*typev1.StateRecord {
	all := map[string]*typev1.StateRecord{headKey: head(version)}
	for key, m := range facts {
		all[key] = record(version, m)
	}
	return all
}

func (c *Copy) facts() *organization {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.organizations[org]
}

func TestEveryFactIsReadAndSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	c, b, a, stop := open(t, dir)
	b.load("1", records(1, every()))
	a.await(t, 1)
	checkFacts(t, c.facts())
	stop()
	c, _, _, _ = open(t, dir)
	checkFacts(t, c.facts())
}

func checkFacts(t *testing.T, o *organization) {
	t.Helper()
	d, known := o.Door("d")
	wantDoor := policy.Door{ID: "d", Site: "s", Zones: []policy.ZoneID{"z"}, Rules: policy.DoorRules{
		AutoUnlock: "auto", TwoPersonWindow: time.Minute, SecondFactor: &policy.SecondFactor{Schedule: "s2"},
		FirstPerson: &policy.FirstPerson{Subject: "g", Schedule: "s", Grace: time.Hour, HoldOthers: true},
	}}
	if !known || !reflect.DeepEqual(d, wantDoor) || !o.doors["d"].allowWithoutState {
		t.Errorf("door: %+v", o.doors["d"])
	}
	z, known := o.Zone("z")
	wantZone := policy.Zone{ID: "z", Parents: []policy.ZoneID{"y"}, AntiPassback: &policy.AntiPassback{Mode: policy.AntiPassbackSoft, ResetAfter: time.Hour}}
	if !known || !reflect.DeepEqual(z, wantZone) {
		t.Errorf("zone: %+v", z)
	}
	if y, known := o.Zone("y"); !known || y.AntiPassback != nil {
		t.Errorf("zone: %+v", y)
	}
	l := o.Lockdowns("y")
	if len(l) != 1 || l[0].ID != "l" || l[0].Rank != 3 || l[0].From.Unix() != 100 || l[0].Until.Unix() != 200 {
		t.Errorf("lockdowns: %+v", l)
	}
	parent, known := o.Grant("parent")
	if !known || parent.Subject != "p" || parent.Target != "d" || parent.MaxUses != 7 || parent.OverrideRank != 4 {
		t.Errorf("grant: %+v", parent)
	}
	if share, known := o.Grant("share"); !known || share.SharedFrom != "parent" || share.Sharer != "p" || share.Schedule != "s" || share.ValidTo.Unix() != 300 {
		t.Errorf("grant: %+v", share)
	}
	if s, known := o.Schedule("s"); !known || !s.Contains(time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)) { // a Friday
		t.Error("schedule")
	}
}

func TestASchedulesHolidaysAreRead(t *testing.T) {
	got := specOf(every()[site+"schedule.s"].(*permissionsv1.ScheduleState))
	want := policy.ScheduleSpec{
		Weekly:     []policy.WeeklyInterval{{Weekday: 5, EndMinute: 1440}},
		OnHolidays: []policy.WeeklyInterval{{Weekday: 1, StartMinute: 600, EndMinute: 660}},
		Holidays:   []policy.Holiday{{Date: "2026-12-25", EveryYear: true}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v", got)
	}
}

func TestWhatEndsIsGone(t *testing.T) {
	c, b, a, _ := open(t, t.TempDir())
	b.load("1", records(1, every()))
	gone := map[string]*typev1.StateRecord{headKey: head(2)}
	for key := range every() {
		gone[key] = &typev1.StateRecord{Version: 2, Removed: true}
	}
	b.load("1", gone)
	a.await(t, 2)
	o := c.facts()
	if n := len(o.doors) + len(o.zones) + len(o.lockdowns) + len(o.grants) + len(o.grantAt) + len(o.schedules); n != 0 {
		t.Fatalf("%d facts are left: %+v", n, o)
	}
}

func TestABrokenLockdownLocksDown(t *testing.T) {
	broken := []byte{0xff, 0xff}
	for name, c := range map[string]struct {
		before proto.Message // what the key held; nil: nothing
		now    []byte
		target policy.TargetID
	}{
		"of a known target":   {&permissionsv1.LockdownState{TargetId: "z", Rank: 1}, broken, "z"},
		"of an unknown one":   {nil, broken, "s"},
		"that names nothing":  {nil, nil, "s"},
		"that is broken anew": {&permissionsv1.LockdownState{TargetId: "d", Rank: 10}, nil, "d"},
	} {
		t.Run(name, func(t *testing.T) {
			copied, b, a, _ := open(t, t.TempDir())
			if c.before != nil {
				b.load("1", records(1, map[string]proto.Message{site + "lockdown.l": c.before}))
			}
			for version := int64(2); version < 4; version++ { // the second time what it held was broken already
				b.load("1", map[string]*typev1.StateRecord{site + "lockdown.l": {Version: version, Body: c.now}, headKey: head(version)})
				a.await(t, version)
				l := copied.facts().Lockdowns(c.target)
				if len(l) != 1 || l[0].Rank != policy.MaxLockdownRank || !l[0].Until.IsZero() || len(copied.facts().lockdowns) != 1 {
					t.Fatalf("%+v", copied.facts().lockdowns)
				}
			}
			b.load("1", map[string]*typev1.StateRecord{site + "lockdown.l": {Version: 5, Removed: true}, headKey: head(5)})
			a.await(t, 5)
			if n := len(copied.facts().lockdowns); n != 0 {
				t.Fatal("it does not end")
			}
		})
	}
}

func TestABrokenZoneClosesItsDoors(t *testing.T) {
	c, b, a, _ := open(t, t.TempDir())
	all := records(1, every())
	all[site+"door.e"] = record(1, &permissionsv1.DoorState{})
	b.load("1", all)
	b.load("1", map[string]*typev1.StateRecord{site + "zone.y": {Version: 2, Body: []byte{0xff}}, headKey: head(2)})
	a.await(t, 2)
	if o := c.facts(); !o.inBrokenZone("d") || o.inBrokenZone("e") {
		t.Fatal("the door of a zone inside the broken one must be closed, and no other")
	}
	b.load("1", map[string]*typev1.StateRecord{site + "zone.y": record(3, &permissionsv1.ZoneState{ParentIds: []string{"z"}}), headKey: head(3)})
	a.await(t, 3)
	if c.facts().inBrokenZone("d") { // z and y are in each other: it must end
		t.Fatal("a zone that was mended stays broken")
	}
}

// A bucket that is filled again gets the head last: a gateway that starts meanwhile may lack a lockdown.
func TestNoDoorOpensBeforeTheHeadIsThere(t *testing.T) {
	c, b, _, _ := open(t, t.TempDir())
	const device, door = "device_euc_1", "door_euc_1"
	b.load("1", map[string]*typev1.StateRecord{
		site + "door." + door: record(1, &permissionsv1.DoorState{}), site + "device." + device: record(1, &gatewayv1.DeviceState{DoorId: door}),
	})
	ask := func() permissionsv1.DecisionReason {
		return c.Decide(t.Context(), device, &lockwirev1.AccessRequest{}, time.Now()).Decision.GetReason()
	}
	if got := ask(); got != permissionsv1.DecisionReason_DECISION_REASON_COPY_TOO_OLD {
		t.Fatalf("%s", got)
	}
	b.load("1", map[string]*typev1.StateRecord{headKey: head(1)})
	if got := ask(); got != permissionsv1.DecisionReason_DECISION_REASON_UNKNOWN_CREDENTIAL {
		t.Fatalf("%s", got)
	}
}
