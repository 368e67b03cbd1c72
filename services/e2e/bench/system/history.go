package system

import (
	"container/heap"
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// History is a tenant with a past: memberships that come and go, visitors' keys, revocations, late facts.
type History struct {
	*Tenant
	People, Doors, Groups []string
	// Begin and End are when the first and the last event were recorded.
	Begin, End time.Time
	// Grants are some of its grants.
	Grants []string
	// Events are commits, each with one event; Rows are the facts that they left.
	Events, Rows int
}

// What is constant over the years, of the size of the full DataSet.
const (
	historyYears  = 2
	historyPeople = 10_000
	historyDoors  = 5_000
	historyGroups = 500
	historyZones  = 200
	historyToZone = 3_000 // grants of groups to zones
	lateShare     = 20    // one change of that many was true a while before it was recorded
	someGrants    = 1000
	guestShare    = 85 // of 100 changes are about visitors' keys, the others about memberships
)

// NewHistory makes a tenant over the API and copies a past of so many events into permissions' tables: each event with the
// rows that the service would have written. Everything but the ids follows a fixed seed.
func (s *System) NewHistory(ctx context.Context, events int) (*History, error) {
	tenant, err := s.NewTenant(ctx, "history")
	if err != nil {
		return nil, err
	}
	h := &History{Tenant: tenant, Events: events}
	h.End = time.Now().UTC().Truncate(time.Second)
	h.Begin = h.End.AddDate(-historyYears, 0, 0)
	h.People, h.Doors, h.Groups = ids(region.Person, historyPeople), ids(region.Door, historyDoors), ids(region.Group, historyGroups)
	sink, err := s.newCopies(ctx)
	if err != nil {
		return nil, err
	}
	g := newGenerator(h, sink)
	if err := sink.close(g.run()); err != nil {
		return nil, err
	}
	h.Rows = g.rows
	return h, s.settle(ctx, h)
}

// generator plays two years. What is known now is held back until it is superseded or the end has come.
type generator struct {
	*History
	sink    *copies
	random  *rand.Rand
	version int64
	at      time.Time
	rows    int

	streams  map[string]int64 // versions
	stays    [][]stay         // of each person, groupsEach
	ends     revocations      // of keys, by time
	schedule string
	zones    []string
}

// stay is a membership that is known now.
type stay struct {
	group    string
	version  int64
	from, at time.Time
}

// key is a grant that is known now.
type key struct {
	id, subject, target string
	version             int64
	at, to, end         time.Time // recorded; end of validity; when it will be revoked
}

// revocations is a heap.
type revocations []key

func (r revocations) Len() int           { return len(r) }
func (r revocations) Less(i, j int) bool { return r[i].end.Before(r[j].end) }
func (r revocations) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *revocations) Push(x any)        { *r = append(*r, x.(key)) }
func (r *revocations) Pop() any {
	last := (*r)[len(*r)-1]
	*r = (*r)[:len(*r)-1]
	return last
}

func newGenerator(h *History, sink *copies) *generator {
	return &generator{
		History: h, sink: sink, random: rand.New(rand.NewPCG(20, 26)), at: h.Begin,
		streams: map[string]int64{}, stays: make([][]stay, len(h.People)),
		schedule: ids(region.Schedule, 1)[0], zones: ids(region.Zone, historyZones),
	}
}

func (g *generator) run() error {
	g.places()
	step := g.End.Sub(g.Begin) / time.Duration(g.Events+1)
	for done := 0; done < g.Events; done++ {
		g.at = g.at.Add(step)
		switch {
		case len(g.ends) > 0 && !g.ends[0].end.After(g.at):
			g.revoke(heap.Pop(&g.ends).(key))
		case g.random.IntN(100) < guestShare:
			g.visitor()
		default:
			g.move()
		}
	}
	for person, stays := range g.stays {
		for _, s := range stays {
			g.membership(s, g.People[person], s.version, time.Time{}, s.at, time.Time{})
		}
	}
	for _, k := range g.ends {
		g.grant(k, k.version, k.to, k.at, time.Time{}, false)
	}
	return g.sink.err
}

// places are as the data set's, since the beginning.
func (g *generator) places() {
	t, one := stamp(g.Begin), func(of []string) string { return of[g.random.IntN(len(of))] }
	head := func(id string) string { return Home + "\t" + id + "\t1\t" + g.Org }
	week := `{"weekly":[`
	for day := 1; day <= 7; day++ {
		week += fmt.Sprintf(`{"weekday":%d,"start_minute":360,"end_minute":1320},`, day)
	}
	g.row("schedules", head(g.schedule), g.Site, "06:00 to 22:00", "Europe/Madrid", week[:len(week)-1]+"]}", t, none, t, none)
	top, middle := len(g.Groups)/5, len(g.Groups)*3/5
	for i, group := range g.Groups {
		g.row("groups", head(group), "group", t, none, t, none)
		if i >= middle {
			g.row("memberships", Home, one(g.Groups[top:middle]), group, "1", g.Org, t, none, t, none)
		} else if i >= top {
			g.row("memberships", Home, one(g.Groups[:top]), group, "1", g.Org, t, none, t, none)
		}
	}
	for _, zone := range g.zones {
		g.row("zones", head(zone), g.Site, "zone", t, none, t, none)
	}
	for _, door := range g.Doors {
		g.row("doors", head(door), g.Site, "door", "5000", t, none, t, none)
		for _, z := range g.random.Perm(len(g.zones))[:zonesEach] {
			g.row("zone_doors", Home, g.zones[z], door, "1", g.Org, t, none, t, none)
		}
	}
	for range historyToZone {
		k := key{id: newID(region.Grant), subject: one(g.Groups), target: one(g.zones), version: 1, at: g.Begin}
		g.grant(k, 1, time.Time{}, g.Begin, time.Time{}, false)
	}
}

// move takes a person out of a group, or puts them into another.
func (g *generator) move() {
	i := g.random.IntN(len(g.People))
	if len(g.stays[i]) < groupsEach {
		s := stay{group: g.Groups[g.random.IntN(len(g.Groups))], at: g.at, from: g.late()}
		for _, other := range g.stays[i] {
			if other.group == s.group { // once in each
				s.group = ""
			}
		}
		if s.group != "" {
			s.version = g.say(s.group, "member_added", &permissionsv1.MemberAdded{
				GroupId: s.group, MemberId: g.People[i], EffectiveAt: timestamppb.New(s.from),
			})
			g.stays[i] = append(g.stays[i], s)
			return
		}
	}
	if len(g.stays[i]) == 0 {
		return
	}
	s := g.stays[i][0]
	g.stays[i] = g.stays[i][1:]
	version := g.say(s.group, "member_removed", &permissionsv1.MemberRemoved{GroupId: s.group, MemberId: g.People[i]})
	g.membership(s, g.People[i], s.version, time.Time{}, s.at, g.at)
	g.membership(s, g.People[i], version, g.at, g.at, time.Time{})
}

// visitor gives somebody a key for up to a month; half of them are taken back earlier.
func (g *generator) visitor() {
	k := key{
		id: newID(region.Grant), subject: g.People[g.random.IntN(len(g.People))], target: g.Doors[g.random.IntN(len(g.Doors))], at: g.at,
	}
	valid := time.Duration(1+g.random.IntN(30*24)) * time.Hour
	k.to = g.at.Add(valid)
	if len(g.Grants) < someGrants || g.random.IntN(100) == 0 && len(g.Grants) < 10*someGrants {
		g.Grants = append(g.Grants, k.id)
	}
	k.version = g.say(k.id, "grant_created", &permissionsv1.GrantCreated{
		GrantId: k.id, SubjectId: k.subject, TargetId: k.target, ScheduleId: g.schedule, ValidFrom: timestamppb.New(k.at), ValidTo: timestamppb.New(k.to),
	})
	if g.random.IntN(2) == 0 {
		g.grant(k, k.version, k.to, k.at, time.Time{}, false)
		return
	}
	k.end = g.at.Add(time.Duration(g.random.Int64N(int64(valid))))
	heap.Push(&g.ends, k)
}

func (g *generator) revoke(k key) {
	version := g.say(k.id, "grant_revoked", &permissionsv1.GrantRevoked{GrantId: k.id, SubjectId: k.subject, TargetId: k.target})
	g.grant(k, k.version, k.to, k.at, g.at, false)
	g.grant(k, version, g.at, g.at, time.Time{}, true)
}

// late is now, or up to three days ago.
func (g *generator) late() time.Time {
	if g.random.IntN(lateShare) > 0 {
		return g.at
	}
	return g.at.Add(-time.Duration(g.random.Int64N(int64(72 * time.Hour)))).Truncate(time.Microsecond)
}

func newID(kind region.Kind) string { return string(region.NewID(kind, "euc")) }

const none = `\N`

// stamp is a time for COPY; zero is NULL.
func stamp(t time.Time) string {
	if t.IsZero() {
		return none
	}
	return t.UTC().Format("2006-01-02 15:04:05.999999+00")
}

func (g *generator) membership(s stay, person string, version int64, to, recorded, superseded time.Time) {
	g.row("memberships", Home, s.group, person, fmt.Sprint(version), g.Org, stamp(s.from), stamp(to), stamp(recorded), stamp(superseded))
}

func (g *generator) grant(k key, version int64, to, recorded, superseded time.Time, revoked bool) {
	g.row("grants", Home, k.id, fmt.Sprint(version), g.Org, k.subject, k.target, g.schedule, g.Site, fmt.Sprint(revoked),
		stamp(k.at), stamp(to), stamp(recorded), stamp(superseded))
}

// say writes the event of the next commit.
func (g *generator) say(stream, kind string, payload proto.Message) int64 {
	body, err := proto.Marshal(payload)
	if err != nil {
		g.sink.fail(err)
	}
	g.version++
	g.streams[stream]++
	at := stamp(g.at)
	g.sink.write("events", Home, stream, fmt.Sprint(g.streams[stream]), newID(region.Event), "1", g.Org, fmt.Sprint(g.version+1), kind,
		fmt.Sprintf(`\\x%x`, body), "", "bench", "", "", at, at)
	return g.version + 1
}

func (g *generator) row(table string, values ...string) {
	g.rows++
	g.sink.write(table, values...)
}

const setHead = `UPDATE org_heads SET version = $2, recorded_at = greatest(recorded_at, $3) WHERE region = 'eu-central' AND org = $1`

// settle does what else the commits would have done, and what the database does by itself in the minutes after.
func (s *System) settle(ctx context.Context, h *History) error {
	service, err := s.SQL(ctx, "permissions", "permissions")
	if err != nil {
		return err
	}
	defer service.Close(ctx)
	if _, err := service.Exec(ctx, setHead, h.Org, h.Events+10, h.End); err != nil {
		return fmt.Errorf("set the head: %w", err)
	}
	owner, err := s.Owner("permissions")
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, owner)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "VACUUM (ANALYZE) memberships, grants, groups, doors, zones, zone_doors, schedules, events")
	return err
}

// Bytes is what permissions' tables and indexes take.
func (h *History) Bytes(ctx context.Context) (bytes int64, err error) {
	conn, err := h.system.SQL(ctx, "permissions", "permissions")
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, `SELECT sum(pg_total_relation_size(c.oid))::BIGINT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = 'permissions' AND c.relkind = 'r'`).Scan(&bytes)
	return bytes, err
}
