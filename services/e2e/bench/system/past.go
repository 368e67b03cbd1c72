package system

import (
	"math/rand/v2"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// generator plays the years. What is known now is held back until it is superseded or the end has come.
type generator struct {
	*History
	*copies
	random  *rand.Rand
	version int64 // of the organization: its last commit
	at      time.Time

	streams  []int64  // versions of the groups' streams
	stays    [][]stay // of each person, groupsEach
	schedule string
	zones    []string
	payload  []byte // of the last event

	// Keys that will be taken back, by the hour of it from Begin; a ring, longer than the longest key. due are those whose
	// hour has come.
	ends [longestKey + 2][]key
	hour int
	due  []key
}

const longestKey = 30 * 24 // hours

// stay is a membership that is known now.
type stay struct {
	group    int
	version  int64
	from, at time.Time
}

// key is a grant that is known now.
type key struct {
	id              string
	subject, target string
	version         int64
	at, to          time.Time // recorded; end of validity
}

func newGenerator(h *History, sink *copies) *generator {
	random := rand.New(rand.NewPCG(20, 26))
	g := &generator{
		History: h, copies: sink, random: random, at: h.Begin, version: 1,
		streams: make([]int64, len(h.Groups)), stays: make([][]stay, len(h.People)), schedule: newUUID(h.Begin, random).id("schedule_euc_"),
	}
	for range historyZones {
		g.zones = append(g.zones, newUUID(h.Begin, random).id("zone_euc_"))
	}
	return g
}

// run makes one event after the other, each with its rows.
func (g *generator) run() {
	g.places()
	step := g.End.Sub(g.Begin) / time.Duration(g.Events+1)
	for done := 0; done < g.Events; done++ {
		g.at = g.at.Add(step)
		g.turn()
		switch {
		case len(g.due) > 0:
			g.revoke(g.due[len(g.due)-1])
			g.due = g.due[:len(g.due)-1]
		case g.random.IntN(100) < guestShare:
			g.visitor()
		default:
			g.move()
		}
	}
	g.rest()
	for name, table := range g.tables {
		if name != "events" && name != "event_streams" {
			g.Rows += table.rows
		}
	}
}

// turn makes the keys of hours that have passed due.
func (g *generator) turn() {
	for now := int(g.at.Sub(g.Begin) / time.Hour); g.hour < now; g.hour++ {
		slot := &g.ends[g.hour%len(g.ends)]
		g.due = append(g.due, *slot...)
		*slot = (*slot)[:0]
	}
}

// rest writes what is known at the end.
func (g *generator) rest() {
	for person, stays := range g.stays {
		for _, s := range stays {
			g.membership(s, g.People[person], s.version, time.Time{}, s.at, time.Time{})
		}
	}
	left := append(g.ends[:], g.due)
	for _, keys := range left {
		for _, k := range keys {
			g.grant(k, k.version, k.to, k.at, time.Time{}, false)
			g.stream(k.id, 1)
		}
	}
	for i, version := range g.streams {
		g.stream(g.Groups[i], version)
	}
}

// move takes a person out of a group, or puts them into another.
func (g *generator) move() {
	i := g.random.IntN(len(g.People))
	stays := g.stays[i]
	joins := stay{group: g.random.IntN(len(g.Groups)), from: g.late(), at: g.at}
	for _, s := range stays {
		if s.group == joins.group { // once in each: leave it instead
			joins.group = -1
		}
	}
	if len(stays) < groupsEach && joins.group >= 0 {
		g.Kinds.Joined++
		g.streams[joins.group]++
		joins.version = g.say(g.Groups[joins.group], g.streams[joins.group], "member_added", &permissionsv1.MemberAdded{
			GroupId: g.Groups[joins.group], MemberId: g.People[i], EffectiveAt: timestamppb.New(joins.from),
		})
		g.stays[i] = append(stays, joins)
		return
	}
	s := stays[0]
	g.stays[i] = append(stays[:0], stays[1:]...)
	g.Kinds.Left++
	g.streams[s.group]++
	version := g.say(g.Groups[s.group], g.streams[s.group], "member_removed", &permissionsv1.MemberRemoved{GroupId: g.Groups[s.group], MemberId: g.People[i]})
	g.membership(s, g.People[i], s.version, time.Time{}, s.at, g.at)
	g.membership(s, g.People[i], version, g.at, g.at, time.Time{})
}

// visitor gives somebody a key for up to a month; half of them are taken back earlier.
func (g *generator) visitor() {
	k := key{
		id: newUUID(g.at, g.random).id("grant_euc_"), subject: g.one(g.People), target: g.one(g.Doors), at: g.at,
	}
	valid := time.Duration(1+g.random.IntN(longestKey)) * time.Hour
	k.to = g.at.Add(valid)
	if len(g.Grants) < someGrants || g.random.IntN(100) == 0 && len(g.Grants) < 10*someGrants {
		g.Grants = append(g.Grants, k.id)
	}
	g.Kinds.Keys++
	k.version = g.say(k.id, 1, "grant_created", &permissionsv1.GrantCreated{
		GrantId: k.id, SubjectId: k.subject, TargetId: k.target, ScheduleId: g.schedule, ValidFrom: timestamppb.New(k.at), ValidTo: timestamppb.New(k.to),
	})
	if g.random.IntN(2) == 0 {
		g.grant(k, k.version, k.to, k.at, time.Time{}, false)
		g.stream(k.id, 1)
		return
	}
	hour := int(g.at.Add(time.Duration(g.random.Int64N(int64(valid)))).Sub(g.Begin) / time.Hour)
	g.ends[hour%len(g.ends)] = append(g.ends[hour%len(g.ends)], k)
}

// revoke takes a key back. One that has run out by the time its turn comes was taken back too late: nothing changes but that
// it is revoked.
func (g *generator) revoke(k key) {
	g.Kinds.Revocations++
	version := g.say(k.id, 2, "grant_revoked", &permissionsv1.GrantRevoked{GrantId: k.id, SubjectId: k.subject, TargetId: k.target})
	g.stream(k.id, 2)
	g.grant(k, k.version, k.to, k.at, g.at, false)
	end := g.at
	if k.to.Before(end) {
		end = k.to
	}
	g.grant(k, version, end, g.at, time.Time{}, true)
}

// late is now, or up to three days ago.
func (g *generator) late() time.Time {
	if g.random.IntN(lateShare) > 0 {
		return g.at
	}
	return g.at.Add(-time.Duration(g.random.Int64N(int64(72 * time.Hour)))).Truncate(time.Microsecond)
}

func (g *generator) one(of []string) string { return of[g.random.IntN(len(of))] }
