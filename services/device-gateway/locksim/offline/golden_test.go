package offline

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundle"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

var update = flag.Bool("update", false, "write the golden decisions")

// goldenFile is described by the README beside it.
const goldenFile = "../../../../proto/cardea/lockwire/v1/testdata/decisions.json"

type goldenDecisions struct {
	DeviceID string       `json:"device_id"`
	Cases    []goldenCase `json:"cases"`
}

// goldenCase is a lock that has just booted, the bundle that it holds, and what is presented to it, one after the other.
type goldenCase struct {
	Name  string   `json:"name"`
	Title string   `json:"title"`
	Rules []string `json:"rules"`
	// Content is a serialized BundleContent; empty: the lock holds none.
	Content  string            `json:"content"`
	IssuedAt uint64            `json:"issued_at_ms"`
	NotAfter uint64            `json:"not_after_ms"`
	Door     json.RawMessage   `json:"door"`
	Entries  []json.RawMessage `json:"entries"`
	Steps    []goldenStep      `json:"steps"`
}

type goldenStep struct {
	Clock  goldenClock     `json:"clock"`
	Card   json.RawMessage `json:"card,omitempty"`
	PIN    string          `json:"pin,omitempty"`
	Proof  json.RawMessage `json:"proof,omitempty"`
	Expect goldenExpect    `json:"expect"`
}

type goldenClock struct {
	Set    bool   `json:"set"`
	Unix   uint64 `json:"unix_ms"`
	Uptime uint64 `json:"uptime_ms"`
}

type goldenExpect struct {
	// Offline is Event.offline: false, the lock holds no bundle.
	Offline      bool   `json:"offline"`
	Outcome      string `json:"outcome"`
	Reason       uint32 `json:"reason"`
	ReasonName   string `json:"reason_name"`
	Warning      uint32 `json:"warning"`
	CredentialID string `json:"credential_id"`
	PersonID     string `json:"person_id"`
	GrantID      string `json:"grant_id"`
	UnlockMs     uint32 `json:"unlock_ms"`
	// StandsOpen: between presentations the lock keeps its door unlocked at this moment.
	StandsOpen bool `json:"stands_open"`
}

// issuedMs is when all bundles of the file were made: 2026-11-18 11:06 UTC; they hold for two hours.
const (
	issuedMs     = 1_794_999_960_000
	goldenBudget = 2 * time.Hour
	goldenDevice = "device_euc_01jd3q8v5dfw0b9m3cz1n2k4xw"
)

// decisionCase is a case as the test makes it.
type decisionCase struct {
	name, title string
	rules       []int // of R-DECIDE
	door        *lockwirev1.BundleDoor
	entries     []*lockwirev1.BundleEntry
	steps       []decisionStep
}

// decisionStep has what is wanted, written by hand.
type decisionStep struct {
	clock           Clock
	p               Presented
	reason, warning Reason // 0: nothing is decided
	by              string // the grant, or the credential where no right decides
	unlock          uint32 // milliseconds; 0: what the door of most cases says
}

func (c decisionCase) content() *lockwirev1.BundleContent {
	var entries [][]byte
	for _, e := range c.entries {
		entries = append(entries, marshal(e))
	}
	issued := time.UnixMilli(issuedMs)
	return bundle.Full(bundle.Header{DeviceID: goldenDevice, Version: 17, IssuedAt: issued, NotAfter: issued.Add(goldenBudget)},
		bundle.NewContent(marshal(c.door), entries))
}

// play is what the case is in the file. What is decided has to be what the case wants.
func (c decisionCase) play(t *testing.T) goldenCase {
	g := goldenCase{Name: c.name, Title: c.title, Entries: []json.RawMessage{}}
	for _, n := range c.rules {
		g.Rules = append(g.Rules, fmt.Sprint("R-DECIDE-", n))
	}
	h := New(goldenDevice, nil)
	g.Door = json.RawMessage("null")
	if c.door != nil {
		content := c.content()
		if err := h.apply(content); err != nil {
			t.Fatal(c.name, err)
		}
		g.Content, g.IssuedAt, g.NotAfter, g.Door = hex.EncodeToString(marshal(content)), content.GetIssuedAtMs(), content.GetNotAfterMs(), readable(t, c.door)
		for _, e := range c.entries {
			g.Entries = append(g.Entries, readable(t, e))
		}
	}
	for i, s := range c.steps {
		c.holdTime(t, i)
		d, decided := h.Decide(s.clock, s.p)
		opens := s.reason == grant || s.reason == autoUnlock
		if decided != (s.reason != 0) || d.Reason != s.reason || d.Warning != s.warning || d.Granted() != opens || s.by != "" && s.by != cmp.Or(d.GrantID, d.CredentialID) {
			t.Errorf("%s, step %d: %+v, wanted %s %s %s", c.name, i, d, s.reason, s.warning, s.by)
		}
		if want := cmp.Or(s.unlock, c.door.GetUnlockMs()); opens && d.UnlockMs != want {
			t.Errorf("%s, step %d: unlocked for %d ms, wanted %d", c.name, i, d.UnlockMs, want)
		}
		step := goldenStep{Clock: goldenClock{s.clock.Set, s.clock.UnixMs, s.clock.UptimeMs}, PIN: s.p.PIN, Expect: expectation(d, decided)}
		step.Expect.StandsOpen = h.StandsOpen(s.clock)
		if s.p.Card != nil {
			step.Card = readable(t, s.p.Card)
		}
		if s.p.Proof != nil {
			step.Proof = readable(t, s.p.Proof)
		}
		g.Steps = append(g.Steps, step)
	}
	return g
}

// holdTime: within a boot the uptime never goes back, and a clock that was set stays set.
func (c decisionCase) holdTime(t *testing.T, step int) {
	if step == 0 {
		return
	}
	now, before := c.steps[step].clock, c.steps[step-1].clock
	if now.UptimeMs < before.UptimeMs || before.Set && !now.Set {
		t.Errorf("%s, step %d: from %+v to %+v within one boot", c.name, step, before, now)
	}
}

func expectation(d Decision, decided bool) goldenExpect {
	e := goldenExpect{
		Offline: decided, Outcome: "DENIED", Reason: uint32(d.Reason), Warning: uint32(d.Warning), CredentialID: d.CredentialID, PersonID: d.PersonID,
		GrantID: d.GrantID, UnlockMs: d.UnlockMs,
	}
	if d.Granted() {
		e.Outcome = "GRANTED"
	}
	if decided {
		e.ReasonName = strings.TrimPrefix(d.Reason.String(), "DECISION_REASON_")
	}
	return e
}

// readable is a message in protobuf's JSON mapping. protojson varies its spaces on purpose.
func readable(t *testing.T, m proto.Message) json.RawMessage {
	t.Helper()
	b, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := json.Compact(&out, b); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestGoldenDecisions holds the file against what is decided, and the cases against the rules.
func TestGoldenDecisions(t *testing.T) {
	file := goldenDecisions{DeviceID: goldenDevice}
	shown := map[int]int{}
	for _, c := range decisionCases() {
		if slices.ContainsFunc(file.Cases, func(g goldenCase) bool { return g.Name == c.name }) {
			t.Errorf("%s is twice in the file", c.name)
		}
		for _, n := range c.rules {
			shown[n]++
		}
		file.Cases = append(file.Cases, c.play(t))
	}
	for n := range 15 {
		if shown[n+1] == 0 {
			t.Errorf("R-DECIDE-%d has no vector", n+1)
		}
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(file); err != nil {
		t.Fatal(err)
	}
	if *update && !t.Failed() {
		if err := os.WriteFile(goldenFile, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	old, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(old, out.Bytes()) {
		t.Error("decisions.json is not what the code decides: if the change is meant, run with -update and read the difference")
	}
}
