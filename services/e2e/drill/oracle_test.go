package drill

import (
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// second is a moment of a made-up record.
func second(n float64) time.Time { return start.Add(time.Duration(n * float64(time.Second))) }

// story: card 0 of person 0, in the group from second 2 on, who has the group's door 1 and, of their own, door 0 (facts 0 to 3). The grant of
// door 0 is revoked at 10, enforced at 12 with lock 2 exposed until 40.
func story() *Record {
	return &Record{
		Facts: []Fact{
			{Kind: CardFact, Person: 0, Card: 0, Began: second(0), Given: second(1)},
			{Kind: GrantFact, Subject: 0, Doors: []int{0}, Began: second(1), Given: second(2)},
			{Kind: GrantFact, Subject: Group, Doors: []int{1}, Began: second(1), Given: second(2)},
			{Kind: MemberFact, Person: 0, Began: second(2), Given: second(3)},
			{Kind: LockdownFact, Doors: []int{1}, Began: second(50), Given: second(51)},
		},
		Takings: []Taking{
			{What: "the grant's end", Facts: []FactID{1}, Began: second(10)},
			{What: "the membership's end", Facts: []FactID{3}, Began: second(20)},
			{What: "the lockdown", Facts: []FactID{4}, Began: second(50)},
			{What: "the card's end", Facts: []FactID{0}, Began: second(80)},
		},
		Enforced: []Enforced{
			{Taking: 0, At: second(12), Exposed: map[int]time.Time{2: second(40), 3: {}}},
			{Taking: 2, At: second(52)},
			{Taking: 3, At: second(81)},
		},
		Lifted: map[FactID]time.Time{4: second(60)},
	}
}

func TestTheOracleKnowsRightFromWrong(t *testing.T) {
	for name, c := range map[string]struct {
		unlock Unlock
		wrong  string // a part of the reason; empty: it may be
	}{
		"before it was given, while the call goes on": {Unlock{Door: 0, Began: second(1.2), Ended: second(1.4)}, ""},
		"before the call":                {Unlock{Door: 0, Began: second(0.1), Ended: second(0.5)}, "afterwards"},
		"while it holds":                 {Unlock{Door: 0, Began: second(5), Ended: second(5.1)}, ""},
		"revoked, not enforced":          {Unlock{Door: 0, Began: second(11), Ended: second(11.5)}, ""},
		"presented before, opened after": {Unlock{Door: 0, Began: second(11.9), Ended: second(13)}, ""},
		"enforced":                       {Unlock{Door: 0, Began: second(12.1), Ended: second(12.2)}, "the grant's end"},
		"alone and not listed":           {Unlock{Door: 0, Lock: 1, Alone: true, Began: second(12.1), Ended: second(12.2), Clock: second(12)}, "the grant's end"},
		"alone and listed":               {Unlock{Door: 0, Lock: 2, Alone: true, Began: second(13), Ended: second(13), Clock: second(39)}, ""},
		"listed, by the gateway":         {Unlock{Door: 0, Lock: 2, Began: second(13), Ended: second(13), Clock: second(39)}, "the grant's end"},
		"alone, later than listed":       {Unlock{Door: 0, Lock: 2, Alone: true, Began: second(13), Ended: second(13), Clock: second(42)}, "exposed until"},
		"alone, listed without an end":   {Unlock{Door: 0, Lock: 3, Alone: true, Began: second(13), Ended: second(13), Clock: second(9999)}, ""},
		"the group's":                    {Unlock{Door: 1, Began: second(13), Ended: second(13)}, ""},
		"out of the group, not enforced": {Unlock{Door: 1, Began: second(45), Ended: second(45)}, ""},
		"locked down":                    {Unlock{Door: 1, Began: second(53), Ended: second(54)}, "the lockdown"},
		"locked down, being lifted":      {Unlock{Door: 1, Began: second(59), Ended: second(60.5)}, ""},
		"lifted":                         {Unlock{Door: 1, Began: second(61), Ended: second(61)}, ""},
		"the card's end":                 {Unlock{Door: 1, Began: second(82), Ended: second(82)}, "the card's end"},
		"no grant":                       {Unlock{Door: 2, Began: second(13), Ended: second(13)}, "no grant"},
	} {
		t.Run(name, func(t *testing.T) {
			r := story()
			r.Unlocks = []Unlock{c.unlock}
			found := Check(r)
			if c.wrong == "" && len(found) > 0 {
				t.Fatalf("refused: %v", found)
			}
			if c.wrong != "" && (len(found) != 1 || !strings.Contains(found[0].Why, c.wrong)) {
				t.Fatalf("want %q, got %v", c.wrong, found)
			}
		})
	}
}

func TestAnAnswerWithoutTheLockWithdrawsTheExposure(t *testing.T) {
	r := story()
	r.Enforced = append(r.Enforced, Enforced{Taking: 0, At: second(20)})
	r.Unlocks = []Unlock{{Door: 0, Lock: 2, Alone: true, Began: second(21), Ended: second(21), Clock: second(30)}}
	if found := Check(r); len(found) != 1 {
		t.Fatalf("%v", found)
	}
}

func TestAGivingThatMayComeAfterTheTakingIsNotTaken(t *testing.T) {
	r := &Record{}
	before := r.Give(Fact{Kind: MemberFact, Person: 1})
	r.Gave(before)
	r.Give(Fact{Kind: MemberFact, Person: 1}) // goes on
	if got := r.Memberships(1); len(got) != 1 || got[0] != before {
		t.Fatalf("%v", got)
	}
}
