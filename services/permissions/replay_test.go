package permissions_test

import (
	"flag"
	"slices"
	"testing"
	"time"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/fault"
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
		world := newWorld(t, svc, tenant)
		for range rapid.IntRange(4, 16).Draw(rt, "writes") {
			world.step(t, rt)
		}
		events := eventsOf(t, svc, tenant)
		for range 8 {
			at, knownAt := draw(rt, "at", events, true), draw(rt, "known at", events, false)
			for _, door := range append(slices.Clone(world.doors), world.gone...) {
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
	svc                                   *permissionstest.Service
	tenant                                *permissionstest.Tenant
	moments                               []time.Time // of the writes so far
	people, groups, doors, targets, alive []string
	lockdowns, gone                       []string // gone: doors that are deleted
}

func newWorld(t *testing.T, svc *permissionstest.Service, tenant *permissionstest.Tenant) *world {
	w := &world{svc: svc, tenant: tenant}
	site := tenant.Site(t, "UTC")
	for range 2 {
		w.doors = append(w.doors, tenant.Door(t, site))
	}
	inner := tenant.Zone(t, w.doors...)
	w.targets = append(slices.Clone(w.doors), inner, tenant.ZoneOf(t, nil, []string{inner}))
	for range 3 {
		w.people = append(w.people, tenant.Person(t))
		w.groups = append(w.groups, tenant.Group(t))
		w.moments = append(w.moments, recordedAt(t, svc, tenant))
	}
	return w
}

// since is now, or an earlier moment for a fact that is told late.
func (w *world) since(rt *rapid.T) time.Time {
	if rapid.Bool().Draw(rt, "told at once") {
		return time.Time{}
	}
	return rapid.SampledFrom(w.moments).Draw(rt, "since")
}

func (w *world) step(t *testing.T, rt *rapid.T) {
	what := rapid.SampledFrom([]string{"add", "add", "take", "let", "let", "end", "update", "update", "rezone", "rezone", "lock", "unlock", "demolish"}).Draw(rt, "write")
	switch what {
	case "add": // groups only into earlier ones: no circles
		i := rapid.IntRange(0, len(w.groups)-1).Draw(rt, "group")
		w.tenant.AddSince(t, w.groups[i], rapid.SampledFrom(append(slices.Clone(w.people), w.groups[i+1:]...)).Draw(rt, "member"), w.since(rt))
	case "take":
		w.tenant.TakeSince(t, rapid.SampledFrom(w.groups).Draw(rt, "group"),
			rapid.SampledFrom(append(slices.Clone(w.people), w.groups...)).Draw(rt, "member"), w.since(rt))
	case "let":
		subject := rapid.SampledFrom(append(slices.Clone(w.people), w.groups...)).Draw(rt, "subject")
		target := rapid.SampledFrom(w.targets).Draw(rt, "target")
		from, to := w.validity(rt)
		w.alive = append(w.alive, w.tenant.LetFor(t, subject, target, "", from, to))
	case "end":
		if len(w.alive) > 0 {
			w.tenant.EndSince(t, rapid.SampledFrom(w.alive).Draw(rt, "grant"), w.since(rt))
		}
	case "update":
		w.update(t, rt)
	default:
		w.stepPlaces(t, rt, what)
	}
	w.moments = append(w.moments, recordedAt(t, w.svc, w.tenant))
}

// validity is from now on, or of a minute in the future.
func (w *world) validity(rt *rapid.T) (from, to time.Time) {
	if rapid.Bool().Draw(rt, "begins later") {
		from = time.Now().Add(time.Hour)
		to = from.Add(time.Duration(rapid.IntRange(30, 90).Draw(rt, "minutes")) * time.Second)
	}
	return from, to
}

// update changes a grant that is not revoked, if it can be.
func (w *world) update(t *testing.T, rt *rapid.T) {
	if len(w.alive) == 0 {
		return
	}
	g := w.tenant.TheGrant(t, rapid.SampledFrom(w.alive).Draw(rt, "grant"))
	if g.GetRevoked() {
		return
	}
	req := updateOf(g)
	req.MaxUses = g.GetMaxUses() + 1
	switch from, to := w.validity(rt); {
	case !from.IsZero():
		req.ValidFrom, req.ValidTo = timestamppb.New(from), timestamppb.New(to)
	case g.GetValidFrom().AsTime().After(time.Now()) && rapid.Bool().Draw(rt, "begins earlier"):
		req.ValidFrom = timestamppb.New(rapid.SampledFrom(w.moments).Draw(rt, "from"))
	}
	out, err := w.tenant.UpdateGrant(t.Context(), req)
	if fault.Is(err, faultv1.Reason_REASON_CLOCK_NONSENSE) {
		return // it had held then
	}
	if err != nil {
		t.Fatal(err)
	}
	w.tenant.Token = out.GetToken()
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
	doors     map[string][]span
	members   []stay // people and groups in groups
	zones     []stay // doors and zones in zones
	grants    map[string]*let
	lockdowns map[string]*let // subject is nobody
}

type stay struct {
	group, member string
	span
}

// leave ends what is known of somebody in a group, or a door in a zone, at a moment.
func leave(all []stay, group, member string, at time.Time) (left []stay) {
	for _, s := range all {
		if s.group != group || s.member != member {
			left = append(left, s)
			continue
		}
		for _, kept := range cut([]span{s.span}, at) {
			left = append(left, stay{group, member, kept})
		}
	}
	return left
}

// content is what is in a zone from a moment on.
func (m *model) content(zone string, from time.Time, things []string) {
	for _, s := range slices.Clone(m.zones) {
		if s.group == zone {
			m.zones = leave(m.zones, zone, s.member, from)
		}
	}
	for _, thing := range things {
		m.zones = append(m.zones, stay{zone, thing, span{from: from}})
	}
}

type let struct {
	subject, target string
	held            []span
}

type span struct{ from, to time.Time }

// cut ends what is known at a moment.
func cut(held []span, at time.Time) (left []span) {
	for _, s := range held {
		if s.to.IsZero() || s.to.After(at) {
			s.to = at
		}
		if s.from.Before(s.to) {
			left = append(left, s)
		}
	}
	return left
}

// since is when something took effect.
func since(e recorded, effective *timestamppb.Timestamp) time.Time {
	if effective != nil {
		return effective.AsTime()
	}
	return e.At
}

func end(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

func inside(at, from, to time.Time) bool { return !at.Before(from) && (to.IsZero() || at.Before(to)) }

func replay(t *testing.T, events []recorded, knownAt time.Time) *model {
	t.Helper()
	m := &model{doors: map[string][]span{}, grants: map[string]*let{}, lockdowns: map[string]*let{}}
	for _, e := range events {
		if e.At.After(knownAt) {
			break
		}
		switch e.Kind {
		case "door_created":
			m.doors[parse(t, e, &permissionsv1.DoorCreated{}).GetDoor().GetId()] = []span{{from: e.At}}
		case "door_deleted":
			id := parse(t, e, &permissionsv1.DoorDeleted{}).GetDoorId()
			m.doors[id] = cut(m.doors[id], e.At)
		case "zone_created":
			z := parse(t, e, &permissionsv1.ZoneCreated{})
			m.content(z.GetZoneId(), e.At, append(z.GetDoorIds(), z.GetZoneIds()...))
		case "zone_updated":
			p := parse(t, e, &permissionsv1.ZoneUpdated{})
			m.content(p.GetZone().GetId(), since(e, p.GetEffectiveAt()), append(p.GetZone().GetDoorIds(), p.GetZone().GetZoneIds()...))
		case "zone_deleted":
			m.content(parse(t, e, &permissionsv1.ZoneDeleted{}).GetZoneId(), e.At, nil)
		case "lockdown_started":
			l := parse(t, e, &permissionsv1.LockdownStarted{}).GetLockdown()
			m.lockdowns[l.GetId()] = &let{target: l.GetTargetId(), held: []span{{l.GetStartsAt().AsTime(), end(l.GetEndsAt())}}}
		case "lockdown_ended":
			l := m.lockdowns[parse(t, e, &permissionsv1.LockdownEnded{}).GetLockdownId()]
			l.held = cut(l.held, e.At)
		case "member_added":
			p := parse(t, e, &permissionsv1.MemberAdded{})
			from := since(e, p.GetEffectiveAt())
			m.members = leave(m.members, p.GetGroupId(), p.GetMemberId(), from)
			m.members = append(m.members, stay{group: p.GetGroupId(), member: p.GetMemberId(), span: span{from: from}})
		case "member_removed":
			p := parse(t, e, &permissionsv1.MemberRemoved{})
			m.members = leave(m.members, p.GetGroupId(), p.GetMemberId(), since(e, p.GetEffectiveAt()))
		case "grant_created":
			p := parse(t, e, &permissionsv1.GrantCreated{})
			m.grants[p.GetGrantId()] = &let{p.GetSubjectId(), p.GetTargetId(), []span{{p.GetValidFrom().AsTime(), end(p.GetValidTo())}}}
		case "grant_updated":
			p := parse(t, e, &permissionsv1.GrantUpdated{}).GetGrant()
			g := m.grants[p.GetId()]
			now := span{p.GetValidFrom().AsTime(), end(p.GetValidTo())}
			g.held = cut(g.held, e.At)
			if n := len(g.held); n > 0 && now.from.Before(g.held[n-1].to) {
				now.from = e.At // until now it was as it was; what begins after a gap may have begun before it was told
			}
			g.held = append(g.held, now)
		case "grant_revoked":
			p := parse(t, e, &permissionsv1.GrantRevoked{})
			g := m.grants[p.GetGrantId()]
			g.held = cut(g.held, since(e, p.GetEffectiveAt()))
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
	above := m.above(door, at)
	for _, l := range m.lockdowns {
		if holds(l.held, at) && above[l.target] {
			return nil
		}
	}
	if holds(m.doors[door], at) {
		for _, g := range m.grants {
			if holds(g.held, at) && above[g.target] {
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

func holds(spans []span, at time.Time) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return inside(at, s.from, s.to) })
}

// above is a door and the zones that it is in, through zones in zones.
func (m *model) above(door string, at time.Time) map[string]bool {
	met := map[string]bool{door: true}
	for grown := true; grown; {
		grown = false
		for _, s := range m.zones {
			if met[s.member] && !met[s.group] && inside(at, s.from, s.to) {
				met[s.group], grown = true, true
			}
		}
	}
	return met
}
