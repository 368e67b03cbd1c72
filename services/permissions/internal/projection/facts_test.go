package projection_test

import (
	"maps"
	"slices"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

func sorted[M ~map[string]any](m M) []string { return slices.Sorted(maps.Keys(m)) }

// What follows writes one fact each, in the columns of its table.

func (c *commit) door(id, site region.ID, rules string, from time.Time) {
	var stored any
	if rules != "" {
		stored = rules
	}
	c.set("doors", key{"id": id}, value{"site_id": site, "name": "Door", "unlock_ms": 5000, "rules": stored}, from)
}

func (c *commit) noDoor(id region.ID) {
	c.end("doors", key{"id": id}, value{"site_id": "", "name": "", "unlock_ms": 0, "rules": nil}, time.Time{})
}

func (c *commit) zone(id, site region.ID) {
	c.set("zones", key{"id": id}, value{"site_id": site, "name": "Zone", "anti_passback": nil}, time.Time{})
}

func (c *commit) zoneDoor(zone, door region.ID, in bool, from time.Time) {
	c.link("zone_doors", key{"zone_id": zone, "door_id": door}, in, from)
}

func (c *commit) zoneZone(parent, child region.ID, in bool, from time.Time) {
	c.link("zone_zones", key{"parent_id": parent, "child_id": child}, in, from)
}

func (c *commit) member(group, member region.ID, in bool, from time.Time) {
	c.link("memberships", key{"group_id": group, "member_id": member}, in, from)
}

func (c *commit) link(table string, k key, in bool, from time.Time) {
	if in {
		c.set(table, k, value{}, from)
	} else {
		c.end(table, k, value{}, from)
	}
}

func (c *commit) site(id region.ID) {
	c.set("sites", key{"id": id}, value{"name": "Site", "time_zone": "UTC"}, time.Time{})
}

func (c *commit) schedule(id, site region.ID, spec string, calendars ...region.ID) {
	observed := []string{}
	for _, calendar := range calendars {
		observed = append(observed, string(calendar))
	}
	c.set("schedules", key{"id": id}, value{"site_id": site, "name": "Schedule", "time_zone": "UTC", "spec": spec, "calendars": observed}, time.Time{})
}

func (c *commit) calendar(id region.ID, holidays string) {
	c.set("holiday_calendars", key{"id": id}, value{"name": "Calendar", "holidays": holidays}, time.Time{})
}

// let is a grant.
type let struct {
	id, subject, target, schedule region.ID
	from, to                      time.Time // zero: the commit's moment; without end
	rank, maxUses                 int
	sharedFrom, sharer            region.ID
}

func (l let) columns(revoked bool) value {
	return value{
		"subject_id": l.subject, "target_id": l.target, "schedule_id": l.schedule, "site_id": "", "revoked": revoked,
		"max_uses": l.maxUses, "override_rank": l.rank, "share_depth": 0, "shared_from": l.sharedFrom, "sharer": l.sharer,
	}
}

// let records a grant.
func (c *commit) let(l let) {
	if l.from.IsZero() {
		l.from = c.at
	}
	c.add("grants", key{"id": l.id}, l.columns(false), l.from, l.to)
}

// relet records what a grant is from now on; what it was lasted until now, or for as long as it said.
func (c *commit) relet(was, now let) {
	c.revoke(was)
	c.let(now)
}

// revoke ends a grant now, or says of one that ran out that it was ended.
func (c *commit) revoke(l let) {
	if l.from.IsZero() {
		l.from = c.at.Add(-time.Microsecond)
	}
	c.exec(`UPDATE grants SET superseded_at = $1 WHERE region = $2 AND id = $3 AND superseded_at IS NULL AND NOT revoked`, c.at, c.home, l.id)
	ended := grants.Validity{From: l.from, To: l.to}.EndedAt(c.at)
	c.add("grants", key{"id": l.id}, l.columns(true), ended.From, ended.To)
}

func (c *commit) lockdown(id, target region.ID, rank int, to time.Time) {
	v := value{"target_id": target, "site_id": "", "rank": rank, "note": "", "ended": false}
	c.end("lockdowns", key{"id": id}, v, c.at)
	c.add("lockdowns", key{"id": id}, v, c.at, to)
}

func (c *commit) endLockdown(id region.ID) {
	c.end("lockdowns", key{"id": id}, value{"target_id": "", "site_id": "", "rank": 0, "note": "", "ended": false}, c.at)
}

func (c *commit) role(id, subject region.ID, role int, site region.ID) {
	c.set("roles", key{"id": id}, value{"subject_id": subject, "role": role, "site_id": site, "revoked": false}, time.Time{})
}

func (c *commit) noRole(id region.ID) {
	c.end("roles", key{"id": id}, value{"subject_id": "", "role": 0, "site_id": "", "revoked": false}, time.Time{})
}
