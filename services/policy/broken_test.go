package policy_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/cardea-mesh/cardea/services/policy"
)

// Facts that a scenario file cannot say.

// An implementation of Facts that keeps a place for a schedule that could not be made.
func TestNilScheduleIsBroken(t *testing.T) {
	t.Parallel()
	facts := chain(1)
	facts.AddSchedule("nil", nil)
	facts.AddGrant(policy.Grant{ID: "g", Subject: "person", Target: "door", Schedule: "nil"})
	expect(t, facts, policy.ReasonGrant, "far")

	facts = policy.NewSnapshot()
	facts.AddDoor(policy.Door{ID: "door"})
	facts.AddSchedule("nil", nil)
	facts.AddGrant(policy.Grant{ID: "g", Subject: "person", Target: "door", Schedule: "nil"})
	expect(t, facts, policy.ReasonBrokenFacts, "g")
}

// towers has the door in zone 1, zone 1 in zone 2 and so on; the last is open to the person.
func towers(height int) *policy.Snapshot {
	facts := policy.NewSnapshot()
	zone := func(i int) policy.ZoneID { return policy.ZoneID(fmt.Sprint("zone", i)) }
	facts.AddDoor(policy.Door{ID: "door", Zones: []policy.ZoneID{zone(1)}, Rules: policy.DoorRules{AutoUnlock: "nights"}})
	for i := 1; i < height; i++ {
		facts.AddZone(policy.Zone{ID: zone(i), Parents: []policy.ZoneID{zone(i + 1)}})
	}
	facts.AddGrant(policy.Grant{ID: "far", Subject: "person", Target: policy.TargetID(zone(height))})
	return facts
}

func TestZoneDepth(t *testing.T) {
	t.Parallel()
	expect(t, towers(1), policy.ReasonGrant, "far")
	expect(t, towers(policy.MaxGroupDepth), policy.ReasonGrant, "far")

	// One of the zones beyond might be locked down: nobody gets in, and nothing stands open.
	facts := towers(policy.MaxGroupDepth + 1)
	facts.AddGrant(policy.Grant{ID: "near", Subject: "person", Target: "door"})
	expect(t, facts, policy.ReasonBrokenFacts, "")
	always, err := policy.NewSchedule("UTC", policy.ScheduleSpec{Weekly: []policy.WeeklyInterval{{Weekday: 1, EndMinute: 1440}}})
	if err != nil {
		t.Fatal(err)
	}
	for height, want := range map[int]bool{policy.MaxGroupDepth: true, policy.MaxGroupDepth + 1: false} {
		facts := towers(height)
		facts.AddSchedule("nights", always)
		if _, stands := policy.StandsOpen(facts, "door", policy.State{}, now); stands != want {
			t.Errorf("%d zones: stands open: %v", height, stands)
		}
	}
}

// A lockdown of the furthest zone that is followed counts.
func TestLockdownDepth(t *testing.T) {
	t.Parallel()
	facts := towers(policy.MaxGroupDepth)
	facts.AddLockdown(policy.TargetID(fmt.Sprint("zone", policy.MaxGroupDepth)), policy.Lockdown{ID: "l", Rank: 1})
	expect(t, facts, policy.ReasonLockdown, "far")
}

// More zones than the stack buffer holds, some in several others.
func TestManyZones(t *testing.T) {
	t.Parallel()
	facts := policy.NewSnapshot()
	door := policy.Door{ID: "door"}
	for i := range 60 {
		id := policy.ZoneID(fmt.Sprint("z", i))
		door.Zones = append(door.Zones, id)
		facts.AddZone(policy.Zone{ID: id, Parents: []policy.ZoneID{policy.ZoneID(fmt.Sprint("y", i%7)), "z0"}})
	}
	facts.AddDoor(door)
	expect(t, facts, policy.ReasonNoGrant, "")
	facts.AddGrant(policy.Grant{ID: "last", Subject: "person", Target: "y6"})
	expect(t, facts, policy.ReasonGrant, "last")
}

// Rules whose schedule is there but nil are as broken as those whose is missing.
func TestNilSchedulesOfRules(t *testing.T) {
	t.Parallel()
	facts := policy.NewSnapshot()
	facts.AddSchedule("nil", nil)
	facts.AddGrant(policy.Grant{ID: "g", Subject: "person", Target: "door"})
	rules := func(r policy.DoorRules) *policy.Snapshot {
		facts.AddDoor(policy.Door{ID: "door", Rules: r})
		return facts
	}
	expect(t, rules(policy.DoorRules{SecondFactor: &policy.SecondFactor{Schedule: "nil"}}), policy.ReasonSecondFactorNeeded, "g")
	expect(t, rules(policy.DoorRules{FirstPerson: &policy.FirstPerson{Subject: "boss", Schedule: "nil", HoldOthers: true}}), policy.ReasonFirstPersonNeeded, "g")
	expect(t, rules(policy.DoorRules{AutoUnlock: "nil"}), policy.ReasonGrant, "g")
	if _, stands := policy.StandsOpen(facts, "door", policy.State{}, now); stands {
		t.Error("a nil schedule unlocks")
	}
}

// Entitled does not look at the state, so that its answer is the same for all who ask.
func TestEntitledIgnoresState(t *testing.T) {
	t.Parallel()
	facts := policy.NewSnapshot()
	facts.AddDoor(policy.Door{ID: "door", Zones: []policy.ZoneID{"zone"}})
	facts.AddZone(policy.Zone{ID: "zone", AntiPassback: &policy.AntiPassback{Mode: policy.AntiPassbackHard}})
	facts.AddGrant(policy.Grant{ID: "once", Subject: "person", Target: "door", MaxUses: 1})
	req := policy.Request{Door: "door", Person: "person", Direction: policy.DirectionEntry, Entitled: true}
	state := policy.State{
		Uses: map[policy.GrantID]int{"once": 1}, Presence: map[policy.ZoneID]policy.Presence{"zone": {Inside: true, Since: now}},
	}
	with, without := policy.Decide(req, facts, state, now), policy.Decide(req, facts, policy.State{}, now)
	if !reflect.DeepEqual(with, without) || with.Reason != policy.ReasonGrant {
		t.Errorf("with %+v, without %+v", with, without)
	}
}

// A row that lost its subject must not open the door for a credential that lost its holder.
func TestNobodyHoldsNothing(t *testing.T) {
	t.Parallel()
	facts := policy.NewSnapshot()
	facts.AddDoor(policy.Door{ID: "door"})
	facts.AddGrant(policy.Grant{ID: "g", Target: "door"})
	req := policy.Request{Door: "door", Credential: &policy.CredentialFact{Status: policy.CredentialActive}}
	if d := policy.Decide(req, facts, policy.State{}, now); d.Outcome != policy.Denied || d.Reason != policy.ReasonNoGrant {
		t.Errorf("got %+v, want NO_GRANT", d)
	}
}

// Every answer without a grant has the shape of a denial.
func TestDeny(t *testing.T) {
	t.Parallel()
	d := policy.Deny(policy.ReasonCopyTooOld)
	if d.Outcome != policy.Denied || d.Reason != policy.ReasonCopyTooOld || d.Grant != "" || d.Effects != nil {
		t.Errorf("got %+v", d)
	}
}
