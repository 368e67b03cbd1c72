package permissions_test

import (
	"flag"
	"slices"
	"testing"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"
)

// AccessAt answers from the bitemporal rows. The model here knows nothing of them: it plays the events back, up to the
// moment of knowledge, and walks the groups by hand.
func TestThePastAgreesWithAReplayOfTheEvents(t *testing.T) {
	if err := flag.Set("rapid.checks", "25"); err != nil { // each is a dozen writes and some twenty questions
		t.Fatal(err)
	}
	svc := permissionstest.Start(t, rpctest.New(t), central)
	rapid.Check(t, func(rt *rapid.T) {
		tenant := svc.Tenant(t, central)
		world := newWorld(t, tenant)
		for range rapid.IntRange(4, 16).Draw(rt, "writes") {
			world.step(t, rt)
		}
		events := eventsOf(t, svc, tenant)
		for range 8 {
			at, knownAt := draw(rt, "at", events, true), draw(rt, "known at", events, false)
			for _, door := range world.doors {
				want := replay(t, events, knownAt).people(door, at)
				got := everybody(t, tenant, &permissionsv1.AccessAtRequest{
					DoorId: door, At: timestamppb.New(at), KnownAt: timestamppb.New(knownAt), PageSize: 2,
				})
				for i := range want {
					want[i] += " " + door
				}
				if !slices.Equal(got, want) {
					rt.Fatalf("at %v, known at %v:\n%v\nthe events say\n%v", at, knownAt, got, want)
				}
			}
		}
	})
}

// draw picks a moment of the history, or one just before, or (later) one after all.
func draw(rt *rapid.T, name string, events []recorded, later bool) time.Time {
	at := rapid.SampledFrom(events).Draw(rt, name).At
	switch rapid.IntRange(0, 3).Draw(rt, name+" shift") {
	case 0:
		return at.Add(-time.Microsecond)
	case 1:
		if later {
			return at.Add(time.Hour + time.Minute) // inside or after grants that begin later
		}
	}
	return at
}

// world is what a random history is about.
type world struct {
	tenant                                *permissionstest.Tenant
	people, groups, doors, targets, alive []string
}

func newWorld(t *testing.T, tenant *permissionstest.Tenant) *world {
	w := &world{tenant: tenant}
	site := tenant.Site(t, "UTC")
	for range 2 {
		w.doors = append(w.doors, tenant.Door(t, site))
	}
	w.targets = append(slices.Clone(w.doors), tenant.Zone(t, w.doors...))
	for range 3 {
		w.people = append(w.people, tenant.Person(t))
		w.groups = append(w.groups, tenant.Group(t))
	}
	return w
}

func (w *world) step(t *testing.T, rt *rapid.T) {
	switch rapid.SampledFrom([]string{"add", "add", "take", "let", "let", "end"}).Draw(rt, "write") {
	case "add": // groups only into earlier ones: no circles
		i := rapid.IntRange(0, len(w.groups)-1).Draw(rt, "group")
		w.tenant.Add(t, w.groups[i], rapid.SampledFrom(append(slices.Clone(w.people), w.groups[i+1:]...)).Draw(rt, "member"))
	case "take":
		w.tenant.Take(t, rapid.SampledFrom(w.groups).Draw(rt, "group"),
			rapid.SampledFrom(append(slices.Clone(w.people), w.groups...)).Draw(rt, "member"))
	case "let":
		subject := rapid.SampledFrom(append(slices.Clone(w.people), w.groups...)).Draw(rt, "subject")
		target := rapid.SampledFrom(w.targets).Draw(rt, "target")
		var from, to time.Time
		if rapid.Bool().Draw(rt, "begins later") {
			from = time.Now().Add(time.Hour)
			to = from.Add(time.Duration(rapid.IntRange(30, 90).Draw(rt, "minutes")) * time.Second)
		}
		w.alive = append(w.alive, w.tenant.LetFor(t, subject, target, "", from, to))
	case "end":
		if len(w.alive) > 0 {
			w.tenant.End(t, rapid.SampledFrom(w.alive).Draw(rt, "grant"))
		}
	}
}

// recorded is a row of events.
type recorded struct {
	Kind    string
	Payload []byte
	At      time.Time
}

func eventsOf(t *testing.T, svc *permissionstest.Service, tenant *permissionstest.Tenant) []recorded {
	t.Helper()
	rows, err := svc.Database.DB.Pool().Query(t.Context(),
		`SELECT kind, payload, recorded_at AS at FROM events WHERE region = 'eu-central' AND org = $1 ORDER BY org_version`, tenant.Org)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[recorded])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// model is what the events up to a moment say.
type model struct {
	doors   map[string]time.Time // since when
	zones   map[string]*permissionsv1.ZoneCreated
	zoneAt  map[string]time.Time
	members []stay
	grants  map[string]*let
}

type stay struct {
	group, member string
	from, to      time.Time
}

type let struct {
	subject, target string
	from, to        time.Time
}

func inside(at, from, to time.Time) bool { return !at.Before(from) && (to.IsZero() || at.Before(to)) }

func replay(t *testing.T, events []recorded, knownAt time.Time) *model {
	t.Helper()
	m := &model{doors: map[string]time.Time{}, zones: map[string]*permissionsv1.ZoneCreated{}, zoneAt: map[string]time.Time{}, grants: map[string]*let{}}
	for _, e := range events {
		if e.At.After(knownAt) {
			break
		}
		switch e.Kind {
		case "door_created":
			m.doors[parse(t, e, &permissionsv1.DoorCreated{}).GetDoor().GetId()] = e.At
		case "zone_created":
			z := parse(t, e, &permissionsv1.ZoneCreated{})
			m.zones[z.GetZoneId()], m.zoneAt[z.GetZoneId()] = z, e.At
		case "member_added":
			p := parse(t, e, &permissionsv1.MemberAdded{})
			m.members = append(m.members, stay{group: p.GetGroupId(), member: p.GetMemberId(), from: e.At})
		case "member_removed":
			p := parse(t, e, &permissionsv1.MemberRemoved{})
			for i, s := range m.members {
				if s.group == p.GetGroupId() && s.member == p.GetMemberId() && s.to.IsZero() {
					m.members[i].to = e.At
				}
			}
		case "grant_created":
			p := parse(t, e, &permissionsv1.GrantCreated{})
			g := &let{subject: p.GetSubjectId(), target: p.GetTargetId(), from: p.GetValidFrom().AsTime()}
			if p.GetValidTo() != nil {
				g.to = p.GetValidTo().AsTime()
			}
			m.grants[p.GetGrantId()] = g
		case "grant_revoked":
			g := m.grants[parse(t, e, &permissionsv1.GrantRevoked{}).GetGrantId()]
			if e.At.Before(g.from) {
				g.to = g.from
			} else if g.to.IsZero() || e.At.Before(g.to) {
				g.to = e.At
			}
		}
	}
	return m
}

func parse[T proto.Message](t *testing.T, e recorded, into T) T {
	t.Helper()
	if err := proto.Unmarshal(e.Payload, into); err != nil {
		t.Fatal(err)
	}
	return into
}

// people walks down from each grant of the door, or of a zone of it.
func (m *model) people(door string, at time.Time) []string {
	found := map[string]bool{}
	var walk func(subject string)
	walk = func(subject string) {
		if found[subject] {
			return
		}
		found[subject] = true
		for _, s := range m.members {
			if s.group == subject && inside(at, s.from, s.to) {
				walk(s.member)
			}
		}
	}
	if since, known := m.doors[door]; known && !at.Before(since) {
		for _, g := range m.grants {
			if inside(at, g.from, g.to) && m.opens(g.target, door, at) {
				walk(g.subject)
			}
		}
	}
	var people []string
	for id := range found {
		if id[:6] == "person" {
			people = append(people, id)
		}
	}
	slices.Sort(people)
	return people
}

func (m *model) opens(target, door string, at time.Time) bool {
	if zone := m.zones[target]; zone != nil {
		return !at.Before(m.zoneAt[target]) && slices.Contains(zone.GetDoorIds(), door)
	}
	return target == door
}
