package policytest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
	"gopkg.in/yaml.v3"
)

// file is a scenario as it is written; testdata/README.md describes it.
type file struct {
	About     string                       `yaml:"about"`
	Doors     map[string][]policy.ZoneID   `yaml:"doors"`
	Groups    map[string][]string          `yaml:"groups"`
	Schedules map[string]scheduleInFile    `yaml:"schedules"`
	Grants    map[policy.GrantID]grantFile `yaml:"grants"`
	Expect    []expectInFile               `yaml:"expect"`
}

type scheduleInFile struct {
	TimeZone   string            `yaml:"time_zone"`
	Weekly     []string          `yaml:"weekly"`
	Exceptions []exceptionInFile `yaml:"exceptions"`
}

type exceptionInFile struct {
	Date      string   `yaml:"date"`
	EveryYear bool     `yaml:"every_year"`
	Intervals []string `yaml:"intervals"`
}

type grantFile struct {
	Subject  policy.SubjectID  `yaml:"subject"`
	Target   policy.TargetID   `yaml:"target"`
	Schedule policy.ScheduleID `yaml:"schedule"`
	From     moment            `yaml:"valid_from"`
	To       moment            `yaml:"valid_to"`
}

type expectInFile struct {
	Line       int
	Because    string            `yaml:"because"` // for the reader only
	Person     policy.PersonID   `yaml:"person"`
	Door       policy.DoorID     `yaml:"door"`
	Credential *credential       `yaml:"credential"`
	At         moments           `yaml:"at"`
	Is         reason            `yaml:"is"`
	Grant      policy.GrantID    `yaml:"grant"`
	Schedule   policy.ScheduleID `yaml:"schedule"`
}

// UnmarshalYAML keeps the line.
func (e *expectInFile) UnmarshalYAML(node *yaml.Node) error {
	for i := 0; i < len(node.Content); i += 2 { // decoding a node is not strict; this is
		switch key := node.Content[i].Value; key {
		case "because", "person", "door", "credential", "at", "is", "grant", "schedule":
		default:
			return fmt.Errorf("line %d: unknown key %q in an expectation", node.Content[i].Line, key)
		}
	}
	type plain expectInFile
	if err := node.Decode((*plain)(e)); err != nil {
		return err
	}
	e.Line = node.Line
	return nil
}

func (f file) scenario() (Scenario, error) {
	s := Scenario{About: f.About, Schedules: make(map[policy.ScheduleID]Schedule)}
	if len(f.Expect) == 0 {
		return s, fmt.Errorf("it expects nothing")
	}
	for _, id := range slices.Sorted(maps.Keys(f.Doors)) {
		s.Doors = append(s.Doors, policy.Door{ID: policy.DoorID(id), Zones: f.Doors[id]})
	}
	for _, group := range slices.Sorted(maps.Keys(f.Groups)) {
		for _, member := range f.Groups[group] {
			s.Members = append(s.Members, Member{policy.GroupID(group), policy.SubjectID(member)})
		}
	}
	for id, written := range f.Schedules {
		spec, err := written.spec()
		if err != nil {
			return s, fmt.Errorf("schedule %s: %w", id, err)
		}
		s.Schedules[policy.ScheduleID(id)] = Schedule{written.TimeZone, spec}
	}
	for _, id := range slices.Sorted(maps.Keys(f.Grants)) {
		g := f.Grants[id]
		s.Grants = append(s.Grants, policy.Grant{
			ID: id, Subject: g.Subject, Target: g.Target, Schedule: g.Schedule,
			ValidFrom: time.Time(g.From), ValidTo: time.Time(g.To),
		})
	}
	for _, e := range f.Expect {
		if len(e.At) == 0 {
			return s, fmt.Errorf("line %d: the expectation has no `at`", e.Line)
		}
		s.Expect = append(s.Expect, e.expectations()...)
	}
	return s, nil
}

// expectations has one for each moment.
func (e expectInFile) expectations() []Expectation {
	want := policy.Decision{Outcome: policy.Denied, Reason: policy.Reason(e.Is), Grant: e.Grant, Schedule: e.Schedule}
	if want.Reason == policy.ReasonGrant {
		want.Outcome = policy.Granted
	}
	req := policy.Request{Door: e.Door, Person: e.Person}
	if e.Credential != nil {
		req.Credential = &policy.CredentialFact{ID: "credential", Status: policy.CredentialStatus(*e.Credential)}
	}
	all := make([]Expectation, 0, len(e.At))
	for _, at := range e.At {
		all = append(all, Expectation{Line: e.Line, Request: req, At: time.Time(at), Want: want})
	}
	return all
}
