package policytest

import (
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
	"gopkg.in/yaml.v3"
)

// doorFile is a door, written as the list of its zones or as a mapping.
type doorFile policy.Door

// UnmarshalYAML takes both.
func (d *doorFile) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.SequenceNode {
		return node.Decode(&d.Zones)
	}
	var written struct {
		Site        policy.SiteID     `yaml:"site"`
		Zones       []policy.ZoneID   `yaml:"zones"`
		AutoUnlock  policy.ScheduleID `yaml:"auto_unlock"`
		FirstPerson *struct {
			Subject    policy.SubjectID  `yaml:"subject"`
			Schedule   policy.ScheduleID `yaml:"schedule"`
			Grace      time.Duration     `yaml:"grace"`
			HoldOthers bool              `yaml:"hold_others"`
		} `yaml:"first_person"`
		SecondFactor *struct {
			Schedule policy.ScheduleID `yaml:"schedule"`
		} `yaml:"second_factor"`
		TwoPerson time.Duration `yaml:"two_person"`
	}
	if err := strict(node, &written); err != nil {
		return err
	}
	d.Site, d.Zones = written.Site, written.Zones
	d.Rules = policy.DoorRules{AutoUnlock: written.AutoUnlock, TwoPersonWindow: written.TwoPerson}
	if f := written.FirstPerson; f != nil {
		d.Rules.FirstPerson = &policy.FirstPerson{Subject: f.Subject, Schedule: f.Schedule, Grace: f.Grace, HoldOthers: f.HoldOthers}
	}
	if f := written.SecondFactor; f != nil {
		d.Rules.SecondFactor = &policy.SecondFactor{Schedule: f.Schedule}
	}
	return nil
}
