package access

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// goldenDecisions is decisions.json, as the README beside it describes it.
type goldenDecisions struct {
	DeviceID string       `json:"device_id"`
	Cases    []goldenCase `json:"cases"`
}

type goldenCase struct {
	Name    string       `json:"name"`
	Content string       `json:"content"`
	Steps   []goldenStep `json:"steps"`
}

type goldenStep struct {
	Clock struct {
		Set  bool   `json:"set"`
		Unix uint64 `json:"unix_ms"`
	} `json:"clock"`
	Card   json.RawMessage `json:"card"`
	PIN    string          `json:"pin"`
	Proof  json.RawMessage `json:"proof"`
	Expect struct {
		Outcome    string `json:"outcome"`
		ReasonName string `json:"reason_name"`
		Warning    int32  `json:"warning"`
		GrantID    string `json:"grant_id"`
	} `json:"expect"`
}

func (s goldenStep) request(t *testing.T) *lockwirev1.AccessRequest {
	t.Helper()
	m := &lockwirev1.AccessRequest{Pin: s.PIN, Direction: lockwirev1.Direction_DIRECTION_IN}
	if s.Card != nil {
		m.Card = new(lockwirev1.Card)
		if err := protojson.Unmarshal(s.Card, m.Card); err != nil {
			t.Fatal(err)
		}
	}
	if s.Proof != nil {
		m.Proof = new(lockwirev1.KeyProof)
		if err := protojson.Unmarshal(s.Proof, m.Proof); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// notTheCopys are cases that only a bundle has, and that no gateway makes: facts that cannot be read, schedules that the door names and does not
// have, and two credentials with one digest.
var notTheCopys = []string{
	"no-bundle", "broken-door", "missing-open-schedule", "missing-second-factor-schedule", "missing-first-person-schedule", "two-with-one-digest",
}

// TestGoldenDecisionsAreTheCopys puts the facts that each golden bundle says into a gateway's copy without shared door state, and asks it the
// same: a vector that a lock is held to has to be what Cardea decides. Inside the budget, since what comes after it is a lock's alone.
func TestGoldenDecisionsAreTheCopys(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../../proto/cardea/lockwire/v1/testdata/decisions.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden goldenDecisions
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, g := range golden.Cases {
		if slices.Contains(notTheCopys, g.Name) {
			continue
		}
		bytes, err := hex.DecodeString(g.Content)
		if err != nil {
			t.Fatal(err)
		}
		content := new(lockwirev1.BundleContent)
		if err := proto.Unmarshal(bytes, content); err != nil {
			t.Fatal(err)
		}
		of := "org_euc_" + g.Name
		c := holding(t, of, nil)(of, goldenFacts(t, of, golden.DeviceID, content))
		for i, s := range g.Steps {
			if !s.Clock.Set || s.Clock.Unix < content.GetIssuedAtMs() || s.Clock.Unix >= content.GetNotAfterMs() {
				continue
			}
			asked++
			at := time.UnixMilli(int64(s.Clock.Unix)).UTC()
			d := c.Decide(t.Context(), golden.DeviceID, s.request(t), at).Decision
			reason := d.GetReason().String()[len("DECISION_REASON_"):]
			if d.GetOutcome().String() != "OUTCOME_"+s.Expect.Outcome || reason != s.Expect.ReasonName || int32(d.GetWarning()) != s.Expect.Warning {
				t.Errorf("%s, step %d: the copy says %s for %s, warning %s; the vector %s for %s, warning %d",
					g.Name, i, d.GetOutcome(), reason, d.GetWarning(), s.Expect.Outcome, s.Expect.ReasonName, s.Expect.Warning)
			} else if by, _, _ := strings.Cut(d.GetGrantId(), "~"); s.Expect.Outcome == "GRANTED" && by != s.Expect.GrantID {
				t.Errorf("%s, step %d: by grant %q, and the vector by %q", g.Name, i, by, s.Expect.GrantID)
			}
		}
	}
	if asked < 150 {
		t.Errorf("only %d of the steps are inside the budget", asked)
	}
}
