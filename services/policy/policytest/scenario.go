// Package policytest reads the scenario files of services/policy/testdata: facts,
// then expectations. Policy's own tests run them through policy.Decide; a service that
// answers the same question runs them through its API, with names turned into its ids.
//
// For tests only; it is the one package of the module with a dependency. Scenarios are
// plain values; nothing here is shared between goroutines.
package policytest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
	"gopkg.in/yaml.v3"
)

// Scenario is one file. Ids are the file's names. What a loader needs to put its facts
// into another store is all here, in a fixed order.
type Scenario struct {
	// Name is the file's, without folder and `.yaml`.
	Name string
	// About is the story, in a sentence or two.
	About string
	// Sites are the sites that the file lists, with their time zones. A door may name one
	// that is not listed, or none.
	Sites map[policy.SiteID]string
	// Calendars are the holiday calendars; Schedule.Calendars names them.
	Calendars map[string][]policy.Holiday
	Schedules map[policy.ScheduleID]Schedule
	// Zones are those with parents or a rule; a zone that is only named has neither.
	Zones     []policy.Zone
	Doors     []policy.Door
	Members   []Member
	Grants    []policy.Grant
	Lockdowns []Lockdown
	Expect    []Expectation
}

// Schedule is a schedule as it was written; it may be broken on purpose.
type Schedule struct {
	TimeZone string
	// Spec is whole: its Holidays are those of the calendars.
	Spec policy.ScheduleSpec
	// Calendars are the names of those that it observes.
	Calendars []string
}

// Member is a person or a group in a group.
type Member struct {
	Group  policy.GroupID
	Member policy.SubjectID
}

// Lockdown is a lockdown of a door, a zone or a site.
type Lockdown struct {
	Target policy.TargetID
	policy.Lockdown
}

// Expectation is one question and its answer.
type Expectation struct {
	// Line in the file, for messages.
	Line int
	// Request.Entitled is true for the expectations that say nothing about the state.
	Request policy.Request
	// State is what policy.Decide is given. In a sequence it is what the effects of the
	// steps before have left of it, for this person at this door.
	State policy.State
	At    time.Time
	Want  policy.Decision
	// StandsOpen is what policy.StandsOpen must answer with the same State; nil: not asked.
	StandsOpen *bool
	// Sequence is 0, or the number of the sequence of which it is a step; the steps of one
	// follow each other in Expect. Who keeps state of their own plays them in order.
	Sequence int
}

// Facts are the scenario's, ready for policy.Decide. Schedules that cannot be made are
// left out, as a service does that meets broken facts.
func (s Scenario) Facts() *policy.Snapshot {
	facts := policy.NewSnapshot()
	for _, zone := range s.Zones {
		facts.AddZone(zone)
	}
	for _, door := range s.Doors {
		facts.AddDoor(door)
	}
	for _, m := range s.Members {
		facts.AddMember(m.Group, m.Member)
	}
	for _, grant := range s.Grants {
		facts.AddGrant(grant)
	}
	for _, l := range s.Lockdowns {
		facts.AddLockdown(l.Target, l.Lockdown)
	}
	for id, schedule := range s.Schedules {
		if made, err := policy.NewSchedule(schedule.TimeZone, schedule.Spec); err == nil {
			facts.AddSchedule(id, made)
		}
	}
	return facts
}

// Scenarios reads every file of services/policy/testdata, in the order of their names.
// A file that cannot be read fails the test.
func Scenarios(t *testing.T) []Scenario {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	paths, err := filepath.Glob(filepath.Join(filepath.Dir(here), "..", "testdata", "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scenario files beside %s: %v", here, err)
	}
	all := make([]Scenario, 0, len(paths))
	for _, path := range paths {
		s, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// Read reads one file. Errors name the file and what is wrong in it.
func Read(path string) (Scenario, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Scenario{}, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	var f file
	if err := decoder.Decode(&f); err != nil {
		return Scenario{}, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	s, err := f.scenario()
	if err != nil {
		return Scenario{}, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	s.Name = filepath.Base(path[:len(path)-len(filepath.Ext(path))])
	return s, nil
}
