package projection_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// model is what the scribe wrote, in the simplest form: what there is now, nothing about before.
type model struct {
	site      region.ID
	doors     map[region.ID]bool
	zones     []region.ID
	people    []region.ID
	groups    []region.ID
	schedules []region.ID
	calendars []region.ID
	roles     map[region.ID]policy.RoleAssignment
	roleOf    map[region.ID]region.ID

	zoneDoor, zoneZone map[[2]region.ID]bool
	member             map[[2]region.ID]map[region.Name]bool // by the region that knows
	lets               map[region.ID]let
	lockdowns          map[region.ID]policy.Lockdown
	locked             map[region.ID]region.ID // target by lockdown
	specs              map[region.ID]policy.ScheduleSpec
	observes           map[region.ID]region.ID
	holidays           map[region.ID][]policy.Holiday
}

func newModel() *model {
	m := &model{
		site: id(region.Site), doors: map[region.ID]bool{}, zoneDoor: map[[2]region.ID]bool{}, zoneZone: map[[2]region.ID]bool{},
		member: map[[2]region.ID]map[region.Name]bool{}, lets: map[region.ID]let{}, lockdowns: map[region.ID]policy.Lockdown{},
		locked: map[region.ID]region.ID{}, specs: map[region.ID]policy.ScheduleSpec{}, observes: map[region.ID]region.ID{},
		holidays: map[region.ID][]policy.Holiday{}, roles: map[region.ID]policy.RoleAssignment{}, roleOf: map[region.ID]region.ID{},
	}
	for range 3 {
		m.doors[id(region.Door)] = false
		m.zones = append(m.zones, id(region.Zone))
		m.people = append(m.people, id(region.Person))
	}
	m.doors[inWest(region.Door)] = false
	m.zones = append(m.zones, inWest(region.Zone))
	m.groups = append(m.groups, id(region.Group), inWest(region.Group), region.NewID(region.Group, "use"), id(region.Group))
	for range 2 {
		m.schedules, m.calendars = append(m.schedules, id(region.Schedule)), append(m.calendars, id(region.Calendar))
	}
	return m
}

// change draws one change, and returns where it is committed and how. The commit may run again.
func (m *model) change(t *rapid.T) (home region.Name, write func(*commit)) {
	on, late := rapid.Bool().Draw(t, "on"), time.Duration(0)
	if rapid.Bool().Draw(t, "late") { // it holds since earlier than it was recorded; what it changes now is the same
		late = time.Duration(rapid.IntRange(1, 1000).Draw(t, "by")) * time.Millisecond
	}
	switch rapid.IntRange(0, 9).Draw(t, "what") {
	case 0:
		door := pick(t, slices.Sorted(maps.Keys(m.doors)))
		m.doors[door] = on
		return homeOf(door), func(c *commit) {
			if on {
				c.door(door, m.site, "", c.at.Add(-late))
			} else {
				c.noDoor(door)
			}
		}
	case 1:
		zone, door := pick(t, m.zones), pick(t, slices.Sorted(maps.Keys(m.doors)))
		if homeOf(zone) != homeOf(door) {
			break
		}
		m.zoneDoor[[2]region.ID{zone, door}] = on
		return homeOf(zone), func(c *commit) { c.zoneDoor(zone, door, on, c.at.Add(-late)) }
	case 2:
		parent, child := pick(t, m.zones), pick(t, m.zones)
		if parent >= child || homeOf(parent) != homeOf(child) {
			break // no circles
		}
		m.zoneZone[[2]region.ID{parent, child}] = on
		return homeOf(parent), func(c *commit) {
			c.zone(parent, m.site)
			c.zoneZone(parent, child, on, c.at.Add(-late))
		}
	case 3, 4:
		return m.changeMember(t, on, late)
	case 5, 6:
		return m.changeGrant(t, on)
	case 7:
		return m.changeLockdown(t, on)
	case 8:
		return m.changeTimes(t, on)
	case 9:
		return m.changeRole(t, on)
	}
	return central, func(*commit) {} // a commit that concerns nobody here
}

func pick[T any](t *rapid.T, from []T) T { return rapid.SampledFrom(from).Draw(t, "one") }

func homeOf(id region.ID) region.Name {
	if id.Code() == "euw" {
		return west
	}
	return central
}

// changeMember: a group of the US may be received in one region or the other, or in both.
func (m *model) changeMember(t *rapid.T, on bool, late time.Duration) (region.Name, func(*commit)) {
	group, member := pick(t, m.groups), pick(t, append(slices.Clone(m.groups), m.people...))
	home := homeOf(group)
	if group.Code() == "use" {
		home = pick(t, []region.Name{central, west})
	}
	if member.Kind() == region.Group && group >= member {
		return home, func(*commit) {}
	}
	at := [2]region.ID{group, member}
	if m.member[at] == nil {
		m.member[at] = map[region.Name]bool{}
	}
	m.member[at][home] = on
	return home, func(c *commit) { c.member(group, member, on, c.at.Add(-late)) }
}

func (m *model) changeGrant(t *rapid.T, on bool) (region.Name, func(*commit)) {
	if len(m.lets) > 0 && rapid.Bool().Draw(t, "existing") {
		l := m.lets[pick(t, slices.Sorted(maps.Keys(m.lets)))]
		if !on {
			delete(m.lets, l.id)
			return homeOf(l.id), func(c *commit) { c.revoke(l) }
		}
		was := l
		l.schedule = pick(t, append(slices.Clone(m.schedules), ""))
		return homeOf(l.id), func(c *commit) {
			l.from = c.at // from now on
			m.lets[l.id] = l
			c.relet(was, l)
		}
	}
	l := let{
		subject:  pick(t, append(slices.Clone(m.groups), m.people...)),
		target:   pick(t, append(slices.Clone(m.zones), slices.Sorted(maps.Keys(m.doors))...)),
		schedule: pick(t, append(slices.Clone(m.schedules), "")), rank: rapid.IntRange(0, 9).Draw(t, "rank"),
	}
	l.id = region.NewID(region.Grant, l.target.Code())
	validity := rapid.IntRange(0, 3).Draw(t, "validity")
	return homeOf(l.id), func(c *commit) {
		switch l.from = c.at; validity {
		case 0:
			l.from = c.at.Add(time.Hour)
		case 1: // it runs out before anybody asks
			l.from, l.to = c.at.Add(-time.Hour), c.at.Add(-time.Minute)
		case 2:
			l.to = c.at.Add(time.Hour)
		}
		m.lets[l.id] = l
		c.let(l)
	}
}

func (m *model) changeLockdown(t *rapid.T, on bool) (region.Name, func(*commit)) {
	if on {
		target := pick(t, append(append(slices.Clone(m.zones), slices.Sorted(maps.Keys(m.doors))...), m.site))
		one := region.NewID(region.Lockdown, target.Code())
		l := policy.Lockdown{ID: policy.LockdownID(one), Rank: rapid.IntRange(1, 10).Draw(t, "rank")}
		ends := rapid.Bool().Draw(t, "ends")
		return homeOf(one), func(c *commit) {
			if l.From = c.at; ends {
				l.Until = c.at.Add(time.Hour)
			}
			m.lockdowns[one], m.locked[one] = l, target
			c.lockdown(one, target, l.Rank, l.Until)
		}
	}
	if len(m.lockdowns) == 0 {
		return central, func(*commit) {}
	}
	one := pick(t, slices.Sorted(maps.Keys(m.lockdowns)))
	delete(m.lockdowns, one)
	return homeOf(one), func(c *commit) { c.endLockdown(one) }
}

// changeTimes lets a schedule hold always, never, or not on holidays; and today be a holiday or not.
func (m *model) changeTimes(t *rapid.T, on bool) (region.Name, func(*commit)) {
	if rapid.Bool().Draw(t, "calendar") {
		calendar := pick(t, m.calendars)
		m.holidays[calendar] = nil
		var stored []string
		for day := -1; on && day <= 1; day++ { // whatever the time of day
			date := time.Now().UTC().AddDate(0, 0, day).Format(time.DateOnly)
			m.holidays[calendar] = append(m.holidays[calendar], policy.Holiday{Date: date})
			stored = append(stored, fmt.Sprintf(`{"date":%q}`, date))
		}
		return homeOf(calendar), func(c *commit) { c.calendar(calendar, "["+strings.Join(stored, ",")+"]") }
	}
	schedule, calendar := pick(t, m.schedules), pick(t, m.calendars)
	spec := policy.ScheduleSpec{}
	var stored []string
	for day := 1; on && day <= 7; day++ {
		spec.Weekly = append(spec.Weekly, policy.WeeklyInterval{Weekday: day, EndMinute: 1440})
		stored = append(stored, fmt.Sprintf(`{"weekday":%d,"start_minute":0,"end_minute":1440}`, day))
	}
	m.specs[schedule], m.observes[schedule] = spec, calendar
	return homeOf(schedule), func(c *commit) {
		c.schedule(schedule, m.site, `{"weekly":[`+strings.Join(stored, ",")+"]}", calendar)
	}
}

func (m *model) changeRole(t *rapid.T, on bool) (region.Name, func(*commit)) {
	if on {
		one, subject := id(region.Role), pick(t, append(slices.Clone(m.groups), m.people...))
		role := rapid.IntRange(1, 5).Draw(t, "role")
		m.roles[one], m.roleOf[one] = policy.RoleAssignment{ID: string(one), Role: policy.Role(role)}, subject
		return central, func(c *commit) { c.role(one, subject, role, "") }
	}
	if len(m.roles) == 0 {
		return central, func(*commit) {}
	}
	one := pick(t, slices.Sorted(maps.Keys(m.roles)))
	delete(m.roles, one)
	return central, func(c *commit) { c.noRole(one) }
}
