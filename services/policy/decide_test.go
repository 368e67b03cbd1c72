package policy_test

import (
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
)

// BenchmarkDecide is one decision of a gateway: a person in three groups, a door in
// one zone, office hours.
func BenchmarkDecide(b *testing.B) {
	office, err := policy.NewSchedule("Europe/Madrid", policy.ScheduleSpec{Weekly: []policy.WeeklyInterval{
		{Weekday: 1, StartMinute: 480, EndMinute: 1080}, {Weekday: 2, StartMinute: 480, EndMinute: 1080},
	}})
	if err != nil {
		b.Fatal(err)
	}
	facts := policy.NewSnapshot()
	facts.AddDoor(policy.Door{ID: "door", Zones: []policy.ZoneID{"zone"}})
	facts.AddMember("g1", "person")
	facts.AddMember("g2", "person")
	facts.AddMember("g3", "g1")
	facts.AddSchedule("office", office)
	facts.AddGrant(policy.Grant{ID: "grant", Subject: "g3", Target: "zone", Schedule: "office"})
	req := policy.Request{Door: "door", Person: "person", Credential: &policy.CredentialFact{ID: "card", Status: policy.CredentialActive}}
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		if d := policy.Decide(req, facts, policy.State{}, at); d.Reason != policy.ReasonGrant {
			b.Fatal(d)
		}
	}
}
