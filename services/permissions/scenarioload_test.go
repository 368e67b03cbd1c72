package permissions_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/events"
	"github.com/cardea-mesh/cardea/services/permissions/internal/postgres"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
	"github.com/cardea-mesh/cardea/services/policy/policytest"
	"github.com/jackc/pgx/v5"
)

// storeOf writes beside the service, past the rules of its commands.
func storeOf(svc *permissionstest.Service) *postgres.Store {
	regions := svc.Mesh.Regions
	return postgres.New(postgres.Config{
		DB: svc.Database.DB, Regions: regions, Record: events.Record,
		Outbox: outbox.New(outbox.Config{Service: "permissions", Region: central, Regions: regions, AccessState: true}),
	})
}

// names gives every name of a scenario an id, unlike those of other scenarios. Ids of a kind sort as their names do,
// because ties are broken by ids. One name may be of several kinds.
type names struct {
	t      *testing.T
	number int
	sorted map[region.Kind][]string
}

func (n *names) id(kind region.Kind, name string) region.ID {
	if name == "" {
		return ""
	}
	i, known := slices.BinarySearch(n.sorted[kind], name)
	if !known {
		n.t.Fatalf("nobody said that there is a %s %q", kind, name)
	}
	return region.ID(fmt.Sprintf("%s_euc_0%05d%020d", kind, n.number, i))
}

func (n *names) add(kind region.Kind, name string) {
	if name != "" && !slices.Contains(n.sorted[kind], name) {
		n.sorted[kind] = append(n.sorted[kind], name)
		slices.Sort(n.sorted[kind])
	}
}

func (n *names) has(kind region.Kind, name string) bool { return slices.Contains(n.sorted[kind], name) }

// subject is a group where there is one of that name, otherwise a person.
func (n *names) subject(name string) region.ID {
	if n.has(region.Group, name) {
		return n.id(region.Group, name)
	}
	return n.id(region.Person, name)
}

// target is a door, a zone or a site.
func (n *names) target(name string) region.ID {
	for _, kind := range []region.Kind{region.Door, region.Zone, region.Site} {
		if n.has(kind, name) {
			return n.id(kind, name)
		}
	}
	n.t.Fatalf("nothing is called %q", name)
	return ""
}

func namesOf(t *testing.T, number int, s policytest.Scenario) *names {
	n := &names{t: t, number: number, sorted: map[region.Kind][]string{}}
	for _, m := range s.Members {
		n.add(region.Group, string(m.Group))
	}
	person := func(name string) {
		if !n.has(region.Group, name) {
			n.add(region.Person, name)
		}
	}
	for _, m := range s.Members {
		person(string(m.Member))
	}
	schedule := func(ids ...policy.ScheduleID) {
		for _, id := range ids {
			n.add(region.Schedule, string(id)) // it may be one that is not there
		}
	}
	schedule(slices.Collect(maps.Keys(s.Schedules))...)
	for _, d := range s.Doors {
		n.add(region.Door, string(d.ID))
		n.add(region.Site, string(d.Site))
		for _, z := range d.Zones {
			n.add(region.Zone, string(z))
		}
		schedule(d.Rules.AutoUnlock)
		if f := d.Rules.FirstPerson; f != nil {
			schedule(f.Schedule)
			person(string(f.Subject))
		}
		if f := d.Rules.SecondFactor; f != nil {
			schedule(f.Schedule)
		}
	}
	for _, z := range s.Zones {
		n.add(region.Zone, string(z.ID))
		for _, parent := range z.Parents {
			n.add(region.Zone, string(parent))
		}
	}
	for name := range s.Calendars {
		n.add(region.Calendar, name)
	}
	for _, made := range s.Schedules {
		for _, name := range made.Calendars {
			n.add(region.Calendar, name)
		}
	}
	for _, g := range s.Grants {
		n.add(region.Grant, string(g.ID))
		n.add(region.Grant, string(g.SharedFrom))
		schedule(g.Schedule)
		person(string(g.Subject))
		person(string(g.Sharer))
		if name := string(g.Target); !n.has(region.Door, name) {
			n.add(region.Zone, name)
		}
	}
	for _, l := range s.Lockdowns {
		n.add(region.Lockdown, string(l.ID))
		if name := string(l.Target); !n.has(region.Door, name) && !n.has(region.Zone, name) {
			n.add(region.Site, name)
		}
	}
	for _, e := range s.Expect {
		n.add(region.Door, string(e.Request.Door))
		person(string(e.Request.Person))
		person(string(e.State.Waiting.Person))
		for zone := range e.State.Presence {
			n.add(region.Zone, string(zone))
		}
		for grant := range e.State.Uses {
			n.add(region.Grant, string(grant))
		}
	}
	return n
}

// sinceEver: facts have held, and been known, for longer than any scenario asks.
var sinceEver = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)

// load writes a scenario's facts as rows, past the rules of commands: some are broken on purpose. The rows are written
// here by hand, also their JSON: what is stored is for ever.
func load(t *testing.T, svc *permissionstest.Service, org region.ID, n *names, s policytest.Scenario) {
	t.Helper()
	l := loading{t: t, org: org, names: n}
	site := region.NewID(region.Site, "euc")
	for _, d := range s.Doors {
		at := site
		if d.Site != "" {
			at = n.id(region.Site, string(d.Site))
		}
		l.row("doors", "id, site_id, name, unlock_ms, rules", n.id(region.Door, string(d.ID)), at, "Door", 5000, l.rules(d.Rules))
		for _, z := range unique(d.Zones) {
			l.row("zone_doors", "zone_id, door_id", n.id(region.Zone, string(z)), n.id(region.Door, string(d.ID)))
		}
	}
	for _, z := range s.Zones {
		var rule any
		if a := z.AntiPassback; a != nil {
			rule = l.json(map[string]any{"mode": a.Mode, "reset_ms": a.ResetAfter.Milliseconds()})
		}
		l.row("zones", "id, site_id, name, anti_passback", n.id(region.Zone, string(z.ID)), site, "Zone", rule)
		for _, parent := range unique(z.Parents) {
			l.row("zone_zones", "parent_id, child_id", n.id(region.Zone, string(parent)), n.id(region.Zone, string(z.ID)))
		}
	}
	l.timetables(s, site)
	for _, m := range unique(s.Members) {
		l.row("memberships", "group_id, member_id", n.id(region.Group, string(m.Group)), n.subject(string(m.Member)))
	}
	for _, g := range s.Grants {
		l.valid(g.ValidFrom, g.ValidTo).row("grants",
			"id, subject_id, target_id, schedule_id, site_id, revoked, max_uses, override_rank, share_depth, shared_from, sharer",
			n.id(region.Grant, string(g.ID)), n.subject(string(g.Subject)), n.target(string(g.Target)), n.id(region.Schedule, string(g.Schedule)),
			site, false, g.MaxUses, g.OverrideRank, 0, n.id(region.Grant, string(g.SharedFrom)), n.id(region.Person, string(g.Sharer)))
	}
	for _, d := range s.Lockdowns {
		l.valid(d.From, d.Until).row("lockdowns", "id, target_id, site_id, rank, note, ended",
			n.id(region.Lockdown, string(d.ID)), n.target(string(d.Target)), site, d.Rank, "", false)
	}
	err := svc.Database.DB.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error { return tx.SendBatch(ctx, l.batch()).Close() })
	if err != nil {
		t.Fatal(err)
	}
}

func (l *loading) timetables(s policytest.Scenario, site region.ID) {
	for name, dates := range s.Calendars {
		holidays := []map[string]any{}
		for _, d := range dates {
			holidays = append(holidays, map[string]any{"date": d.Date, "every_year": d.EveryYear})
		}
		l.row("holiday_calendars", "id, name, holidays", l.names.id(region.Calendar, name), name, l.json(holidays))
	}
	for id, made := range s.Schedules {
		calendars := []string{}
		for _, name := range made.Calendars {
			calendars = append(calendars, string(l.names.id(region.Calendar, name)))
		}
		exceptions := []map[string]any{}
		for _, e := range made.Spec.Exceptions {
			exceptions = append(exceptions, map[string]any{"date": e.Date, "every_year": e.EveryYear, "intervals": intervals(e.Intervals)})
		}
		spec := map[string]any{"weekly": intervals(made.Spec.Weekly), "exceptions": exceptions, "on_holidays": intervals(made.Spec.OnHolidays)}
		l.row("schedules", "id, site_id, name, time_zone, spec, calendars", l.names.id(region.Schedule, string(id)), site, "Schedule",
			made.TimeZone, l.json(spec), calendars)
	}
}

func intervals(all []policy.WeeklyInterval) []map[string]int {
	rows := []map[string]int{}
	for _, w := range all {
		rows = append(rows, map[string]int{"weekday": w.Weekday, "start_minute": w.StartMinute, "end_minute": w.EndMinute})
	}
	return rows
}

// loading collects rows.
type loading struct {
	t        *testing.T
	org      region.ID
	names    *names
	queued   *pgx.Batch
	from, to time.Time // of the next row; zero: always
}

func (l *loading) batch() *pgx.Batch {
	if l.queued == nil {
		l.queued = &pgx.Batch{}
	}
	return l.queued
}

func (l *loading) valid(from, to time.Time) *loading {
	l.from, l.to = from, to
	return l
}

func (l *loading) row(table, columns string, values ...any) {
	var from, to any = l.from, l.to
	if l.from.IsZero() {
		from = sinceEver
	}
	if l.to.IsZero() {
		to = nil
	}
	l.from, l.to = time.Time{}, time.Time{}
	sql := "INSERT INTO " + table + " (region, version, org, recorded_at, valid_from, valid_to, " + columns + ") VALUES ('eu-central', 1, $1, $2, $3, $4"
	for i := range values {
		sql += fmt.Sprintf(", $%d", i+5)
	}
	l.batch().Queue(sql+")", append([]any{l.org, sinceEver, from, to}, values...)...)
}

func (l *loading) json(of any) string {
	raw, err := json.Marshal(of)
	if err != nil {
		l.t.Fatal(err)
	}
	return string(raw)
}

// rules is NULL for none.
func (l *loading) rules(r policy.DoorRules) any {
	stored := map[string]any{}
	if r.AutoUnlock != "" {
		stored["auto_unlock"] = l.names.id(region.Schedule, string(r.AutoUnlock))
	}
	if f := r.FirstPerson; f != nil {
		first := map[string]any{"grace_ms": f.Grace.Milliseconds(), "hold_others": f.HoldOthers}
		if f.Subject != "" {
			first["subject"] = l.names.subject(string(f.Subject))
		}
		first["schedule"] = l.names.id(region.Schedule, string(f.Schedule))
		stored["first_person"] = first
	}
	if f := r.SecondFactor; f != nil {
		stored["second_factor"] = map[string]any{"schedule": l.names.id(region.Schedule, string(f.Schedule))}
	}
	if r.TwoPersonWindow != 0 {
		stored["two_person_ms"] = r.TwoPersonWindow.Milliseconds()
	}
	if len(stored) == 0 {
		return nil
	}
	return l.json(stored)
}

func unique[T comparable](all []T) []T {
	var kept []T
	for _, v := range all {
		if !slices.Contains(kept, v) {
			kept = append(kept, v)
		}
	}
	return kept
}

func first(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
