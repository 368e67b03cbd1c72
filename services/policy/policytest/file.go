package policytest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
)

// file is a scenario as it is written; testdata/README.md describes it.
type file struct {
	About     string                           `yaml:"about"`
	Sites     map[policy.SiteID]string         `yaml:"sites"`
	Doors     map[policy.DoorID]doorFile       `yaml:"doors"`
	Zones     map[policy.ZoneID]zoneFile       `yaml:"zones"`
	Groups    map[policy.GroupID][]string      `yaml:"groups"`
	Calendars map[string][]holidayFile         `yaml:"calendars"`
	Schedules map[policy.ScheduleID]schedFile  `yaml:"schedules"`
	Grants    map[policy.GrantID]grantFile     `yaml:"grants"`
	Lockdowns map[policy.LockdownID]lockedFile `yaml:"lockdowns"`
	Expect    []expectFile                     `yaml:"expect"`
	Sequences []sequenceFile                   `yaml:"sequences"`
}

type zoneFile struct {
	In           []policy.ZoneID `yaml:"in"`
	AntiPassback *struct {
		Mode       mode          `yaml:"mode"`
		ResetAfter time.Duration `yaml:"reset_after"`
	} `yaml:"anti_passback"`
}

type grantFile struct {
	Subject      policy.SubjectID  `yaml:"subject"`
	Target       policy.TargetID   `yaml:"target"`
	Schedule     policy.ScheduleID `yaml:"schedule"`
	From         moment            `yaml:"valid_from"`
	To           moment            `yaml:"valid_to"`
	MaxUses      int               `yaml:"max_uses"`
	OverrideRank int               `yaml:"override_rank"`
	SharedFrom   policy.GrantID    `yaml:"shared_from"`
	Sharer       policy.PersonID   `yaml:"sharer"`
}

type lockedFile struct {
	Target policy.TargetID `yaml:"target"`
	Rank   int             `yaml:"rank"`
	From   moment          `yaml:"from"`
	Until  moment          `yaml:"until"`
}

func (f file) scenario() (Scenario, error) {
	s := Scenario{
		About: f.About, Sites: f.Sites, Calendars: make(map[string][]policy.Holiday),
		Schedules: make(map[policy.ScheduleID]Schedule),
	}
	for name, days := range f.Calendars {
		for _, d := range days {
			s.Calendars[name] = append(s.Calendars[name], policy.Holiday(d))
		}
	}
	for id, written := range f.Schedules {
		made, err := written.schedule(s.Calendars)
		if err != nil {
			return s, fmt.Errorf("schedule %s: %w", id, err)
		}
		s.Schedules[id] = made
	}
	if err := f.places(&s); err != nil {
		return s, err
	}
	for _, group := range sorted(f.Groups) {
		for _, member := range f.Groups[group] {
			s.Members = append(s.Members, Member{group, policy.SubjectID(member)})
		}
	}
	for _, id := range sorted(f.Grants) {
		s.Grants = append(s.Grants, f.Grants[id].grant(id))
	}
	return s, f.expectations(&s)
}

func sorted[K ~string, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// places adds zones, doors and lockdowns. A target is told by its name alone.
func (f file) places(s *Scenario) error {
	for id, door := range f.Doors {
		for _, zone := range door.Zones {
			if _, clash := f.Doors[policy.DoorID(zone)]; clash {
				return fmt.Errorf("%s is a door and a zone of the door %s", zone, id)
			}
		}
	}
	for id := range f.Zones {
		if _, clash := f.Doors[policy.DoorID(id)]; clash {
			return fmt.Errorf("%s is a door and a zone", id)
		}
	}
	for _, id := range sorted(f.Zones) {
		zone := policy.Zone{ID: id, Parents: f.Zones[id].In}
		if rule := f.Zones[id].AntiPassback; rule != nil {
			zone.AntiPassback = &policy.AntiPassback{Mode: policy.AntiPassbackMode(rule.Mode), ResetAfter: rule.ResetAfter}
		}
		s.Zones = append(s.Zones, zone)
	}
	for _, id := range sorted(f.Doors) {
		door := policy.Door(f.Doors[id])
		door.ID = id
		s.Doors = append(s.Doors, door)
	}
	for _, id := range sorted(f.Lockdowns) {
		l := f.Lockdowns[id]
		s.Lockdowns = append(s.Lockdowns, Lockdown{l.Target, policy.Lockdown{
			ID: id, Rank: l.Rank, From: time.Time(l.From), Until: time.Time(l.Until),
		}})
	}
	return nil
}

func (g grantFile) grant(id policy.GrantID) policy.Grant {
	return policy.Grant{
		ID: id, Subject: g.Subject, Target: g.Target, Schedule: g.Schedule,
		ValidFrom: time.Time(g.From), ValidTo: time.Time(g.To), MaxUses: g.MaxUses, OverrideRank: g.OverrideRank,
		SharedFrom: g.SharedFrom, Sharer: g.Sharer,
	}
}
