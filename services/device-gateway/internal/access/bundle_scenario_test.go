package access

import (
	"fmt"
	"slices"
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim/offline"
	"github.com/cardea-mesh/cardea/services/policy"
	"github.com/cardea-mesh/cardea/services/policy/policytest"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// TestScenariosFromABundle asks each scenario's questions of a lock that was given its bundle at that minute, and again of one
// that had it for most of its budget.
func TestScenariosFromABundle(t *testing.T) {
	t.Parallel()
	take, l := holding(t, org, nil), newLocks(t)
	asked := 0
	for i, s := range policytest.Scenarios(t) {
		of := fmt.Sprint("org_euc_s", i)
		w := bundleWorld{Scenario: s, shares: slices.ContainsFunc(s.Grants, func(g policy.Grant) bool { return g.SharedFrom != "" })}
		facts := scenarioFacts(t, s, of)
		allowOffline(t, facts, 8*time.Hour)
		for _, e := range s.Expect {
			if e.Request.Entitled || !slices.ContainsFunc(s.Doors, func(d policy.Door) bool { return d.ID == e.Request.Door }) {
				continue
			}
			asked++
			device := of + "_device_" + string(doorID(e.Request.Door))
			m := &lockwirev1.AccessRequest{Card: cardOf(e.Request.Person), Pin: map[policy.Factor]string{policy.FactorRight: "0427", policy.FactorWrong: "0428"}[e.Request.SecondFactor]}
			if e.Request.Credential != nil && e.Request.Credential.Status != policy.CredentialActive {
				m.Card = cardOf("nobody at all")
			}
			at := e.At.Truncate(time.Millisecond)
			for _, since := range []time.Duration{0, 7 * time.Hour} {
				c := take(of, facts)
				b, ok := c.Bundle(device, at.Add(-since))
				if !ok || !b.Allowed {
					t.Fatal("no bundle")
				}
				got, _ := l.holder(t, device, b).Decide(
					offline.Clock{Set: true, UnixMs: uint64(at.UnixMilli()), UptimeMs: 1}, offline.Presented{Card: m.GetCard(), PIN: m.GetPin()})
				if why := w.differs(got, c.Decide(t.Context(), device, m, at)); why != "" {
					t.Errorf("testdata/%s.yaml:%d: %s at %s, bundle of %s before: %s\n lock %+v\n copy %+v", s.Name, e.Line, e.Request.Person,
						e.Request.Door, since, why, got, c.Decide(t.Context(), device, m, at))
				}
			}
		}
	}
	if asked < 200 {
		t.Errorf("only %d questions were asked", asked)
	}
}

// allowOffline lets the locks of all doors decide alone.
func allowOffline(t *testing.T, facts map[string]*typev1.StateRecord, budget time.Duration) {
	t.Helper()
	for key, r := range facts {
		if k, _ := parseKey(key); k.kind != "door" {
			continue
		}
		m := new(permissionsv1.DoorState)
		if err := proto.Unmarshal(r.GetBody(), m); err != nil {
			t.Fatal(err)
		}
		m.Rules.Offline = &permissionsv1.OfflineRule{Budget: durationpb.New(budget)}
		m.UnlockFor = durationpb.New(5 * time.Second)
		facts[key] = record(1, m)
	}
}
