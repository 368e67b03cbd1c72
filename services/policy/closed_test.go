package policy_test

import (
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
)

// closable is the facts of one door of a site in nested zones, with lockdowns.
type closable struct {
	policy.Facts // nothing else is asked
	lockdowns    map[policy.TargetID][]policy.Lockdown
}

func (closable) Door(id policy.DoorID) (policy.Door, bool) {
	return policy.Door{ID: id, Site: "site", Zones: []policy.ZoneID{"inner"}}, id == "door"
}

func (closable) Zone(id policy.ZoneID) (policy.Zone, bool) {
	if id == "inner" {
		return policy.Zone{ID: id, Parents: []policy.ZoneID{"outer"}}, true
	}
	return policy.Zone{}, false
}

func (c closable) Lockdowns(t policy.TargetID) []policy.Lockdown { return c.lockdowns[t] }

func TestClosedAt(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	in := func(d time.Duration) time.Time { return now.Add(d) }
	for name, c := range map[string]struct {
		target policy.TargetID
		l      policy.Lockdown
		nobody bool
		next   time.Time
	}{
		"the door":               {"door", policy.Lockdown{Rank: 10}, true, time.Time{}},
		"its site, with an end":  {"site", policy.Lockdown{Rank: 10, Until: in(time.Hour)}, true, in(time.Hour)},
		"a zone around its zone": {"outer", policy.Lockdown{Rank: 10}, true, time.Time{}},
		"some may override it":   {"inner", policy.Lockdown{Rank: 9, Until: in(time.Hour)}, false, in(time.Hour)},
		"a rank that is none":    {"door", policy.Lockdown{Rank: 0}, true, time.Time{}},
		"it begins later":        {"door", policy.Lockdown{Rank: 10, From: in(time.Minute), Until: in(time.Hour)}, false, in(time.Minute)},
		"it ends now":            {"door", policy.Lockdown{Rank: 10, Until: now}, false, time.Time{}},
		"it begins now":          {"door", policy.Lockdown{Rank: 10, From: now}, true, time.Time{}},
		"another door":           {"elsewhere", policy.Lockdown{Rank: 10}, false, time.Time{}},
	} {
		got := policy.ClosedAt(closable{lockdowns: map[policy.TargetID][]policy.Lockdown{c.target: {c.l}}}, "door", now)
		if got.Nobody != c.nobody || !got.Next.Equal(c.next) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := policy.ClosedAt(closable{lockdowns: map[policy.TargetID][]policy.Lockdown{"site": {{Rank: 10}}}}, "unknown", now); got.Nobody {
		t.Error("a door that is not known")
	}
}
