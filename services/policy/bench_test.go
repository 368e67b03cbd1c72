package policy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
)

// workweek is a schedule of a normal size: five days and twenty holidays.
func workweek() policy.ScheduleSpec {
	var spec policy.ScheduleSpec
	for day := 1; day <= 5; day++ {
		spec.Weekly = append(spec.Weekly, policy.WeeklyInterval{Weekday: day, StartMinute: 480, EndMinute: 1080})
	}
	for day := 1; day <= 10; day++ {
		spec.Exceptions = append(spec.Exceptions,
			policy.DatedException{Date: fmt.Sprintf("2026-12-%02d", day)},
			policy.DatedException{Date: fmt.Sprintf("2026-08-%02d", day), EveryYear: true})
	}
	return spec
}

// organization has 10,000 people, 5,000 doors in 50 zones and grants of both kinds; ids
// are as long as real ones. Person 0 has `groups` groups.
func organization(b *testing.B, groups int) (*policy.Snapshot, policy.Request) {
	b.Helper()
	office, err := policy.NewSchedule("Europe/Madrid", workweek())
	if err != nil {
		b.Fatal(err)
	}
	id := func(kind string, n int) string { return fmt.Sprintf("%s_euc_01jd4z9x2k7t8r0q5m3w%06d", kind, n) }
	facts := policy.NewSnapshot()
	facts.AddSchedule("schedule_euc_office", office)
	for i := range 5000 {
		facts.AddDoor(policy.Door{ID: policy.DoorID(id("door", i)), Zones: []policy.ZoneID{policy.ZoneID(id("zone", i%50)), policy.ZoneID(id("zone", i%7))}})
	}
	for i := range 10000 {
		facts.AddMember(policy.GroupID(id("group", i%200)), policy.SubjectID(id("person", i)))
		facts.AddGrant(policy.Grant{
			ID: policy.GrantID(id("grant", i)), Subject: policy.SubjectID(id("person", i)),
			Target: policy.TargetID(id("door", i%5000)), ValidTo: now.AddDate(-1, 0, 0),
		})
	}
	for i := 1; i < groups; i++ {
		facts.AddMember(policy.GroupID(id("extra", i)), policy.SubjectID(id("person", 0)))
	}
	facts.AddMember(policy.GroupID(id("group", 900)), policy.SubjectID(id("group", 0)))
	facts.AddGrant(policy.Grant{
		ID: "grant_euc_group", Subject: policy.SubjectID(id("group", 900)),
		Target: policy.TargetID(id("zone", 0)), Schedule: "schedule_euc_office",
	})
	return facts, policy.Request{
		Door: policy.DoorID(id("door", 0)), Person: policy.PersonID(id("person", 0)),
		Credential: &policy.CredentialFact{ID: "credential_euc_card", Status: policy.CredentialActive},
	}
}

func benchmarkDecide(b *testing.B, groups int, at time.Time, want policy.Reason) {
	facts, req := organization(b, groups)
	b.ReportAllocs()
	for b.Loop() {
		if d := policy.Decide(req, facts, policy.State{}, at); d.Reason != want {
			b.Fatalf("%+v", d)
		}
	}
}

var sunday = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func BenchmarkDecideGranted(b *testing.B)    { benchmarkDecide(b, 1, now, policy.ReasonGrant) }
func BenchmarkDecideDenied(b *testing.B)     { benchmarkDecide(b, 1, sunday, policy.ReasonOutsideSchedule) }
func BenchmarkDecide20Groups(b *testing.B)   { benchmarkDecide(b, 20, now, policy.ReasonGrant) }
func BenchmarkDecide1000Groups(b *testing.B) { benchmarkDecide(b, 1000, now, policy.ReasonGrant) }

func BenchmarkNewSchedule(b *testing.B) {
	spec := workweek()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := policy.NewSchedule("Europe/Madrid", spec); err != nil {
			b.Fatal(err)
		}
	}
}

// ruled turns the door into one with every rule, in zones in zones, and the grant into a
// share with a limit.
func ruled(b *testing.B) (*policy.Snapshot, policy.Request, policy.State) {
	b.Helper()
	facts, req := organization(b, 3)
	door, _ := facts.Door(req.Door)
	door.Site, door.Zones = "site_euc_hq", []policy.ZoneID{"zone_euc_lab"}
	door.Rules = policy.DoorRules{
		AutoUnlock:   "schedule_euc_gone",
		FirstPerson:  &policy.FirstPerson{Subject: "group_euc_first", Schedule: "schedule_euc_office", Grace: time.Hour, HoldOthers: true},
		SecondFactor: &policy.SecondFactor{Schedule: "schedule_euc_office"}, TwoPersonWindow: time.Minute,
	}
	facts.AddDoor(door)
	facts.AddZone(policy.Zone{ID: "zone_euc_lab", Parents: []policy.ZoneID{"zone_euc_all"}, AntiPassback: &policy.AntiPassback{Mode: policy.AntiPassbackHard}})
	facts.AddGrant(policy.Grant{ID: "grant_euc_parent", Subject: "person_euc_boss", Target: "zone_euc_all", MaxUses: 1000})
	facts.AddGrant(policy.Grant{
		ID: "grant_euc_share", Subject: policy.SubjectID(req.Person), Target: "zone_euc_lab", Schedule: "schedule_euc_office",
		SharedFrom: "grant_euc_parent", Sharer: "person_euc_boss",
	})
	facts.AddGrant(policy.Grant{ID: "grant_euc_other", Subject: "person_euc_other", Target: "zone_euc_lab"})
	facts.AddLockdown("zone_euc_all", policy.Lockdown{ID: "lockdown_euc_old", Rank: 3, Until: now})
	req.Direction, req.SecondFactor = policy.DirectionEntry, policy.FactorRight
	return facts, req, policy.State{
		FirstArrival: now.Add(-time.Hour), Waiting: policy.Waiting{Person: "person_euc_other", Since: now.Add(-time.Second)},
		Uses: map[policy.GrantID]int{"grant_euc_parent": 5},
	}
}

func BenchmarkDecideEveryRule(b *testing.B) {
	facts, req, state := ruled(b)
	b.ReportAllocs()
	for b.Loop() {
		if d := policy.Decide(req, facts, state, now); d.Reason != policy.ReasonGrant || len(d.Effects) != 4 {
			b.Fatalf("%+v", d)
		}
	}
}

func BenchmarkExplain(b *testing.B) {
	facts, req, state := ruled(b)
	b.ReportAllocs()
	for b.Loop() {
		if e := policy.Explain(req, facts, state, now); len(e.Considered) < 2 {
			b.Fatalf("%+v", e)
		}
	}
}
