package policytest

import (
	"fmt"
	"slices"
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
	"gopkg.in/yaml.v3"
)

type expectFile struct {
	line       int
	Because    string            `yaml:"because"` // for the reader only
	Person     policy.PersonID   `yaml:"person"`
	Door       policy.DoorID     `yaml:"door"`
	Credential *credential       `yaml:"credential"`
	Direction  direction         `yaml:"direction"`
	Factor     factor            `yaml:"second_factor"`
	State      *stateFile        `yaml:"state"`
	At         moments           `yaml:"at"`
	Is         reason            `yaml:"is"`
	Grant      policy.GrantID    `yaml:"grant"`
	Schedule   policy.ScheduleID `yaml:"schedule"`
	Lockdown   policy.LockdownID `yaml:"lockdown"`
	Zone       policy.ZoneID     `yaml:"zone"`
	Warning    reason            `yaml:"warning"`
	Conditions []reason          `yaml:"conditions"`
	Effects    []effect          `yaml:"effects"`
	StandsOpen *bool             `yaml:"stands_open"`
}

// UnmarshalYAML keeps the line.
func (e *expectFile) UnmarshalYAML(node *yaml.Node) error {
	type plain expectFile
	if err := strict(node, (*plain)(e)); err != nil {
		return err
	}
	e.line = node.Line
	return nil
}

type sequenceFile struct {
	Because string       `yaml:"because"`
	Steps   []expectFile `yaml:"steps"`
}

type stateFile struct {
	Inside       map[policy.ZoneID]moment `yaml:"inside"`
	Outside      map[policy.ZoneID]moment `yaml:"outside"`
	FirstArrival moment                   `yaml:"first_arrival"`
	Waiting      struct {
		Person policy.PersonID `yaml:"person"`
		Since  moment          `yaml:"since"`
	} `yaml:"waiting"`
	Uses map[policy.GrantID]int `yaml:"uses"`
}

func (s stateFile) state() policy.State {
	made := policy.State{
		FirstArrival: time.Time(s.FirstArrival), Uses: s.Uses,
		Waiting: policy.Waiting{Person: s.Waiting.Person, Since: time.Time(s.Waiting.Since)},
	}
	if len(s.Inside)+len(s.Outside) > 0 {
		made.Presence = make(map[policy.ZoneID]policy.Presence)
	}
	for zone, since := range s.Inside {
		made.Presence[zone] = policy.Presence{Inside: true, Since: time.Time(since)}
	}
	for zone, since := range s.Outside {
		made.Presence[zone] = policy.Presence{Since: time.Time(since)}
	}
	return made
}

// expectations adds those of the file to s.
func (f file) expectations(s *Scenario) error {
	if len(f.Expect)+len(f.Sequences) == 0 {
		return fmt.Errorf("it expects nothing")
	}
	for _, e := range f.Expect {
		if err := e.check(); err != nil {
			return err
		}
		for _, at := range e.At {
			s.Expect = append(s.Expect, e.expectation(time.Time(at)))
		}
	}
	for i, sequence := range f.Sequences {
		var memory Memory
		for _, e := range sequence.Steps {
			if err := e.checkStep(); err != nil {
				return err
			}
			step := e.expectation(time.Time(e.At[0]))
			step.Sequence, step.Request.Entitled = i+1, false
			step.State = memory.State(e.Person, e.Door)
			memory.Apply(step.Want.Effects, e.Person, e.Door, step.At)
			s.Expect = append(s.Expect, step)
		}
	}
	return nil
}

func (e expectFile) check() error {
	switch {
	case len(e.At) == 0:
		return fmt.Errorf("line %d: the expectation has no `at`", e.line)
	case e.Is == 0:
		return fmt.Errorf("line %d: the expectation has no `is`", e.line)
	case e.State == nil && len(e.Effects) > 0:
		return fmt.Errorf("line %d: without `state` there are no effects; write `state: {}` where nothing is recorded", e.line)
	case e.State != nil && len(e.Conditions) > 0:
		return fmt.Errorf("line %d: with `state` there are no conditions", e.line)
	}
	for zone := range stateOf(e).Inside {
		if _, both := stateOf(e).Outside[zone]; both {
			return fmt.Errorf("line %d: inside and outside of %s", e.line, zone)
		}
	}
	return nil
}

func stateOf(e expectFile) stateFile {
	if e.State == nil {
		return stateFile{}
	}
	return *e.State
}

func (e expectFile) checkStep() error {
	switch {
	case e.State != nil || len(e.Conditions) > 0:
		return fmt.Errorf("line %d: a step of a sequence has the state that the steps before it left", e.line)
	case len(e.At) != 1:
		return fmt.Errorf("line %d: a step of a sequence has one `at`", e.line)
	}
	e.State = &stateFile{}
	return e.check()
}

func (e expectFile) expectation(at time.Time) Expectation {
	want := policy.Decision{
		Outcome: policy.Denied, Reason: policy.Reason(e.Is), Grant: e.Grant, Schedule: e.Schedule,
		Lockdown: e.Lockdown, Zone: e.Zone, Warning: policy.Reason(e.Warning),
	}
	if slices.Contains([]policy.Reason{policy.ReasonGrant, policy.ReasonAutoUnlock}, want.Reason) {
		want.Outcome = policy.Granted
	}
	for _, c := range e.Conditions {
		want.Conditions = append(want.Conditions, policy.Reason(c))
	}
	for _, made := range e.Effects {
		want.Effects = append(want.Effects, policy.Effect(made))
	}
	req := policy.Request{
		Door: e.Door, Person: e.Person, Direction: policy.Direction(e.Direction), SecondFactor: policy.Factor(e.Factor),
		Entitled: e.State == nil,
	}
	if e.Credential != nil {
		req.Credential = &policy.CredentialFact{ID: "credential", Status: policy.CredentialStatus(*e.Credential)}
	}
	return Expectation{Line: e.line, Request: req, State: stateOf(e).state(), At: at, Want: want, StandsOpen: e.StandsOpen}
}
