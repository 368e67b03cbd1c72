package postgres

import (
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
	"github.com/jackc/pgx/v5"
)

const factDoors = `SELECT id, site_id, rules FROM doors
	WHERE region = $1 AND id = ANY ($2) AND org = $3` + holds

// From the doors upwards: each pair once, so a circle ends by itself.
const factZones = `WITH RECURSIVE up (child, parent) AS (
		SELECT door_id, zone_id FROM zone_doors
		WHERE region = $1 AND door_id = ANY ($2) AND org = $3` + holds + `
	UNION
		SELECT child_id, parent_id FROM up JOIN zone_zones ON child_id = up.parent
		WHERE region = $1 AND org = $3` + holds + `
	)
	SELECT child, parent FROM up`

const factRulesOfZones = `SELECT id, anti_passback FROM zones
	WHERE region = $1 AND id = ANY ($2) AND org = $3` + holds

const factLockdowns = `SELECT id, target_id, rank, valid_from, valid_to FROM lockdowns
	WHERE region = $1 AND target_id = ANY ($2) AND org = $3` + holds

// places asks for the doors and the zones above them.
func (l *loader) places(batch *pgx.Batch) {
	above := map[string][]policy.ZoneID{}
	l.ask(batch, factZones, l.doors.all, func(rows pgx.Rows) error {
		return eachPair(rows, func(child, parent string) {
			above[child] = append(above[child], policy.ZoneID(parent))
			l.zones.add(parent)
		})
	})
	l.ask(batch, factDoors, l.doors.all, func(rows pgx.Rows) error {
		for _, zone := range l.zones.all { // their rules come later
			l.facts.AddZone(policy.Zone{ID: policy.ZoneID(zone), Parents: above[zone]})
		}
		var id, site string
		var stored []byte
		_, err := pgx.ForEachRow(rows, []any{&id, &site, &stored}, func() error {
			rules, err := decodeRules(stored)
			if err != nil {
				return err
			}
			l.sites.add(site)
			l.namesSchedules(rules.DoorRules)
			l.facts.AddDoor(policy.Door{ID: policy.DoorID(id), Site: policy.SiteID(site), Zones: above[id], Rules: rules.DoorRules})
			return nil
		})
		return err
	})
}

func (l *loader) namesSchedules(rules policy.DoorRules) {
	l.schedules.add(string(rules.AutoUnlock))
	if rules.FirstPerson != nil {
		l.schedules.add(string(rules.FirstPerson.Schedule))
	}
	if rules.SecondFactor != nil {
		l.schedules.add(string(rules.SecondFactor.Schedule))
	}
}

// rulesOfZones asks for the rules at the zones' borders.
func (l *loader) rulesOfZones(batch *pgx.Batch) {
	if len(l.zones.all) == 0 {
		return
	}
	l.ask(batch, factRulesOfZones, l.zones.all, func(rows pgx.Rows) error {
		var id string
		var stored []byte
		_, err := pgx.ForEachRow(rows, []any{&id, &stored}, func() error {
			rule, err := decodeBorder(stored)
			if err != nil || rule == nil {
				return err
			}
			zone, _ := l.facts.Zone(policy.ZoneID(id))
			zone.AntiPassback = rule
			l.facts.AddZone(zone)
			return nil
		})
		return err
	})
}

// lockdowns asks for those of the doors, their zones and their sites.
func (l *loader) lockdowns(batch *pgx.Batch) {
	l.ask(batch, factLockdowns, append(l.targets(), l.sites.all...), func(rows pgx.Rows) error {
		var target string
		var down policy.Lockdown
		var until *time.Time
		_, err := pgx.ForEachRow(rows, []any{&down.ID, &target, &down.Rank, &down.From, &until}, func() error {
			down.Until = ends(until)
			l.facts.AddLockdown(policy.TargetID(target), down)
			return nil
		})
		return err
	})
}
