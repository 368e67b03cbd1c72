package policytest_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/cardea-mesh/cardea/services/policy"
	"github.com/cardea-mesh/cardea/services/policy/policytest"
)

func read(t *testing.T, text string) (policytest.Scenario, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "example.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return policytest.Read(path)
}

// The example of testdata/README.md has every key, can be read, and its answers are right.
func TestExampleOfTheReadme(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../testdata/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "```yaml\n")
	example, _, found := strings.Cut(after, "```")
	if !found {
		t.Fatal("no example")
	}
	s, err := read(t, example)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Sites)*len(s.Zones)*len(s.Calendars)*len(s.Lockdowns)*len(s.Members) == 0 || len(s.Expect) != 3 || s.Expect[2].Sequence != 1 {
		t.Errorf("a part is missing: %+v", s)
	}
	for _, e := range s.Expect {
		if got := policy.Decide(e.Request, s.Facts(), e.State, e.At); !reflect.DeepEqual(got, e.Want) {
			t.Errorf("line %d: got %+v, want %+v", e.Line, got, e.Want)
		}
	}
}

// What is wrong in a file is said with its place, never ignored.
func TestReadRefuses(t *testing.T) {
	t.Parallel()
	const good = "doors: {d: []}\nexpect:\n  - {person: p, door: d, at: 2026-11-23T10:00:00Z, is: NO_GRANT}\n"
	if _, err := read(t, good); err != nil {
		t.Fatal(err)
	}
	for text, says := range map[string]string{
		"doors: {d: []}":       "expects nothing",
		"windows: {}\n" + good: "field windows not found",
		strings.Replace(good, "d: []", "d: {colour: red}", 1):                                                                  `line 1: unknown key "colour"`,
		strings.Replace(good, "d: []", "d: {first_person: {hold: true}}", 1):                                                   `line 1: unknown key "hold"`,
		strings.Replace(good, "person: p", "human: p", 1):                                                                      `line 3: unknown key "human"`,
		strings.Replace(good, "is:", "state: {in: {}}, is:", 1):                                                                `line 3: unknown key "in"`,
		strings.Replace(good, "is:", "state: {waiting: {who: p}}, is:", 1):                                                     `line 3: unknown key "who"`,
		strings.Replace(good, "NO_GRANT", "MAYBE", 1):                                                                          `line 3: no reason "MAYBE"`,
		strings.Replace(good, ", is: NO_GRANT", "", 1):                                                                         "line 3: the expectation has no `is`",
		strings.Replace(good, " at: 2026-11-23T10:00:00Z,", "", 1):                                                             "line 3: the expectation has no `at`",
		strings.Replace(good, "NO_GRANT", "GRANT, effects: [wait]", 1):                                                         "line 3: without `state` there are no effects",
		strings.Replace(good, "NO_GRANT", "GRANT, state: {}, conditions: [ANTI_PASSBACK]", 1):                                  "line 3: with `state` there are no conditions",
		strings.Replace(good, "NO_GRANT", "GRANT, state: {}, effects: [dance]", 1):                                             `line 3: no effect "dance"`,
		strings.Replace(good, "NO_GRANT", "GRANT, state: {}, effects: [use]", 1):                                               `line 3: no effect "use"`,
		strings.Replace(good, "is:", "direction: up, is:", 1):                                                                  `line 3: no direction "up"`,
		strings.Replace(good, "is:", "state: {inside: {z: 2026-11-23T10:00:00Z}, outside: {z: 2026-11-23T10:00:00Z}}, is:", 1): "line 3: inside and outside of z",
		strings.Replace(good, "d: []", "d: [d]", 1):                                                                            "d is a door and a zone",
		"zones: {d: {in: [z]}}\n" + good:                                                                                       "d is a door and a zone",
		"zones: {z: {anti_passback: {mode: gentle}}}\n" + good:                                                                 `no anti-passback mode "gentle"`,
		"schedules: {s: {calendars: [none]}}\n" + good:                                                                         `schedule s: there is no calendar "none"`,
		"sequences: [{steps: [{person: p, door: d, state: {}, at: 2026-11-23T10:00:00Z, is: NO_GRANT}]}]":                      "line 1: a step of a sequence has the state",
		"sequences: [{steps: [{person: p, door: d, at: [2026-11-23T10:00:00Z, 2026-11-23T10:00:00Z], is: NO_GRANT}]}]":         "line 1: a step of a sequence has one",
	} {
		if _, err := read(t, text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s\ngot %v, want %q", text, err, says)
		}
	}
}
