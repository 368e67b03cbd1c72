package projection

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
)

// verifyOne has the organization that was not compared for the longest time read whole, and compared.
func (c *Cache) verifyOne() {
	var next *organization
	for _, o := range c.orgs.Load().all {
		if o.state.Load() != nil && (next == nil || o.verified < next.verified) {
			next = o
		}
	}
	if next != nil {
		next.verified = c.ticks()
		c.fly(next, false, true)
	}
}

// verify reads an organization whole, and what was committed since before, in one transaction: both must come to the same.
func (c *Cache) verify(o *organization, before *state) (*state, error) {
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	whole, delta, err := c.cfg.Source.Reload(ctx, o.id, before.heads, c.cfg.MaxBytes)
	if err != nil {
		return nil, err
	}
	anew := load(o.id, whole, c.cfg.Regions)
	if c.turnedBack(before, delta) {
		return anew, nil
	}
	kept := before
	if !same(before.heads, delta.Heads) {
		kept = before.apply(delta, c.cfg.Regions)
	}
	if what := kept.differs(anew); what != "" {
		c.meters.differed.Add(ctx, 1)
		c.cfg.Logger.ErrorContext(ctx, "the organization in memory is not as the database has it: it is replaced", "org_id", o.id, "in", what)
	}
	return anew, nil // also where they are the same: it has less spare room
}

// differs names the first thing in which two states are not the same; empty: none. What is over for every question about
// now may be in one and not in the other.
func (s *state) differs(other *state) string {
	at := other.latest
	for _, look := range []func() string{
		func() string { return unlike("sites", s.sites, other.sites, nil) },
		func() string { return unlike("doors", s.doors, other.doors, nil) },
		func() string { return unlike("zones", s.zones, other.zones, nil) },
		func() string { return unlike("zones of doors", s.zonesOf.table, other.zonesOf.table, nil) },
		func() string { return unlike("doors of zones", s.doorsOf.table, other.doorsOf.table, nil) },
		func() string { return unlike("zones around zones", s.parentsOf.table, other.parentsOf.table, nil) },
		func() string { return unlike("zones in zones", s.childrenOf.table, other.childrenOf.table, nil) },
		func() string { return unlike("calendars", s.calendars, other.calendars, nil) },
		func() string { return unlike("schedules", s.schedules, other.schedules, nil) },
		func() string { return unlike("groups of members", s.groupsOf.table, other.groupsOf.table, nil) },
		func() string { return unlike("members of groups", s.membersOf.table, other.membersOf.table, nil) },
		func() string { return unlike("copies", s.copies, other.copies, nil) },
		func() string { return unlike("grants", s.grants.byID, other.grants.byID, nil) },
		func() string { return unlike("grants of pairs", s.grants.byAbout, other.grants.byAbout, nil) },
		func() string { return unlike("subjects of targets", s.subjectsOf.table, other.subjectsOf.table, nil) },
		func() string { return unlike("targets of subjects", s.targetsOf.table, other.targetsOf.table, nil) },
		func() string { return unlike("lockdowns", s.lockdowns.byID, other.lockdowns.byID, ended(at)) },
		func() string { return unlike("roles", s.roles.byID, other.roles.byID, gone(at)) },
	} {
		if what := look(); what != "" {
			return what
		}
	}
	return ""
}

// unlike compares two tables, but for entries that hidden hides.
func unlike[K comparable, V any](name string, a, b table[K, V], hidden func(V) bool) string {
	for _, pass := range []struct {
		in, of    table[K, V]
		whose, is string
	}{{a, b, "memory", "the database"}, {b, a, "the database", "memory"}} {
		for k, v := range pass.of.all {
			if hidden != nil && hidden(v) {
				continue
			}
			if other, ok := pass.in.get(k); !ok || !reflect.DeepEqual(plain(v), plain(other)) {
				return fmt.Sprintf("%s: %v is %v in %s and %v in %s", name, k, plain(other), pass.whose, plain(v), pass.is)
			}
		}
	}
	return ""
}

// plain is what is compared of a value: not what was made of it.
func plain(v any) any {
	if s, ok := v.(*schedule); ok {
		return struct {
			ScheduleRow
			broken bool
		}{s.row, s.made == nil}
	}
	return v
}

func ended(at time.Time) func([]placed[policy.TargetID, policy.Lockdown]) bool {
	return func(rows []placed[policy.TargetID, policy.Lockdown]) bool {
		return over(rows[len(rows)-1].value.From, rows[len(rows)-1].value.Until, at)
	}
}

func gone(at time.Time) func([]placed[policy.SubjectID, policy.RoleAssignment]) bool {
	return func(rows []placed[policy.SubjectID, policy.RoleAssignment]) bool {
		return over(rows[len(rows)-1].value.ValidFrom, rows[len(rows)-1].value.ValidTo, at)
	}
}
