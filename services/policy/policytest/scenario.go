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

// Scenario is one file. Ids are the file's names.
type Scenario struct {
	// Name is the file's, without folder and `.yaml`.
	Name string
	// About is the story, in a sentence or two.
	About     string
	Schedules map[policy.ScheduleID]Schedule
	Doors     []policy.Door
	Members   []Member
	Grants    []policy.Grant
	Expect    []Expectation
}

// Schedule is a schedule as it was written; it may be broken on purpose.
type Schedule struct {
	TimeZone string
	Spec     policy.ScheduleSpec
}

// Member is a person or a group in a group.
type Member struct {
	Group  policy.GroupID
	Member policy.SubjectID
}

// Expectation is one question and its answer.
type Expectation struct {
	// Line in the file, for messages.
	Line    int
	Request policy.Request
	At      time.Time
	Want    policy.Decision
}

// Facts are the scenario's, ready for policy.Decide. Schedules that cannot be made are
// left out, as a service does that meets broken facts.
func (s Scenario) Facts() *policy.Snapshot {
	facts := policy.NewSnapshot()
	for _, door := range s.Doors {
		facts.AddDoor(door)
	}
	for _, m := range s.Members {
		facts.AddMember(m.Group, m.Member)
	}
	for _, grant := range s.Grants {
		facts.AddGrant(grant)
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
