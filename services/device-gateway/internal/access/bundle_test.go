package access

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundle"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/enroll"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim/offline"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/pki"
	"github.com/cardea-mesh/cardea/services/policy"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

// locks makes holders that were sent a bundle of now.
type locks struct {
	authority *enroll.Authority
	signer    *bundle.Signer
}

func newLocks(t *testing.T) locks {
	t.Helper()
	root, err := pki.NewRoot("devices", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	l := locks{authority: enroll.NewAuthority(root)}
	if l.signer, err = l.authority.BundleSigner(time.Now); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l locks) holder(t rapid.TB, device string, b OfflineBundle) *offline.Holder {
	t.Helper()
	signed, err := l.signer.Bundle(bundle.Full(bundle.Header{DeviceID: device, Version: 1, IssuedAt: b.IssuedAt, NotAfter: b.NotAfter}, b.Content))
	if err != nil {
		t.Fatal(err)
	}
	h := offline.New(device, l.authority.Pool())
	if ack := h.Apply(signed, time.Now()); !ack.GetApplied() || string(ack.GetHash()) != string(b.Content.Hash[:]) {
		t.Fatalf("not applied: %v", ack)
	}
	return h
}

// holding is a copy that is whole and has no shared door state.
func holding(t *testing.T, of string, facts map[string]*typev1.StateRecord) func(of string, facts map[string]*typev1.StateRecord) *Copy {
	c, _, _, _ := open(t, t.TempDir(), func(cfg *Config) { cfg.MaxAge = 100 * 365 * 24 * time.Hour })
	take := func(of string, facts map[string]*typev1.StateRecord) *Copy {
		for key, record := range facts {
			c.update(bus.Update{Key: key, Record: record, Incarnation: "1"})
		}
		c.caughtUp("1")
		c.attempts = newAttempts()
		return c
	}
	take(of, facts)
	return take
}

// TestALockDecidesAsTheCopyDoes: in random organizations, at random moments inside the budget, with any card and PIN.
func TestALockDecidesAsTheCopyDoes(t *testing.T) {
	t.Parallel()
	take, l := holding(t, org, nil), newLocks(t)
	seen := map[string]int{}
	run := 0
	play := func(rt *rapid.T) {
		run++
		of := fmt.Sprint("org_euc_", run)
		device := of + "_device_door_euc_d"
		w := drawBundleWorld(rt)
		c := take(of, w.records(t, rt, of))
		b, ok := c.Bundle(device, w.issued.Add(7*time.Second))
		again, _ := c.Bundle(device, w.issued.Add(40*time.Second))
		if !ok || !b.Allowed || again.Content.Hash != b.Content.Hash {
			rt.Fatalf("%v %v: the same facts and minute give another content", ok, b.Allowed)
		}
		h := l.holder(rt, device, b)
		for _, at := range w.moments(rt, b) {
			card, person := w.drawCard(rt)
			m := &lockwirev1.AccessRequest{Card: card, Pin: pick(rt, "digits", "", "", "0427", "0427", "1111", "9"), Direction: pick[lockwirev1.Direction](rt, "direction", 0, 1, 2)}
			want := c.Decide(t.Context(), device, m, at)
			got, decided := h.Decide(offline.Clock{Set: true, UnixMs: uint64(at.UnixMilli()), UptimeMs: uint64(at.UnixMilli())}, offline.Presented{Card: card, PIN: m.GetPin()})
			if !decided {
				rt.Fatal("the lock decides nothing")
			}
			if why := w.differs(got, want); why != "" {
				rt.Fatalf("%s (PIN %q) at %s, issued %s: %s\n lock %+v\n copy %+v\n door %v", person, m.GetPin(), at, b.IssuedAt, why, got, want, doorOfContent(b.Content))
			}
			seen[got.Outcome.String()+" "+got.Reason.String()+" "+got.Warning.String()]++
			if want.Decision.GetOutcome() == permissionsv1.Outcome_OUTCOME_GRANTED && !got.Granted() {
				seen["known, without a right, at an open door"]++
			}
		}
		for key := range c.organizations { // what is behind is not needed any more
			if key != of {
				delete(c.organizations, key)
			}
		}
	}
	for range 15 {
		rapid.Check(t, play)
	}
	for _, reason := range []offline.Reason{1, 3, 4, 5, 6, 9, 11, 12, 17, 18, 20} {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(seen)), func(s string) bool { return strings.Contains(s, " "+reason.String()+" ") }) {
			t.Errorf("no lock came to %s; draw other worlds: %v", reason, seen)
		}
	}
	t.Log(seen)
}

// soft are the reasons that a lock confuses: what a share was shared from is worked into its times, and what has ended for good
// is not in the bundle.
var soft = []permissionsv1.DecisionReason{2, 3, 4, 5, 11, 14, 20}

// confusing: there are shares, or grants that end before they begin, which a lock may see as ended where the copy sees them as
// not begun.
func (w *bundleWorld) confusing() bool {
	return w.shares || slices.ContainsFunc(w.Grants, func(g policy.Grant) bool { return !g.ValidTo.IsZero() && !g.ValidFrom.Before(g.ValidTo) })
}

// differs says how a lock's decision is another than the copy's; empty: not.
func (w *bundleWorld) differs(got offline.Decision, want Verdict) string {
	d := want.Decision
	switch {
	case got.Reason == permissionsv1.DecisionReason_DECISION_REASON_UNKNOWN_CREDENTIAL && want.Credential != "":
		// The person has no right, so they are not in the bundle; the lock does not know them, nor lets them in where it stands open.
		if got.Granted() || !slices.Contains(append(soft, 9, 12), d.GetReason()) {
			return "not in the bundle, and has a right"
		}
		return ""
	case int32(got.Outcome) != int32(d.GetOutcome()):
		return "another outcome"
	case got.Reason != d.GetReason() && !(w.confusing() && slices.Contains(soft, got.Reason) && slices.Contains(soft, d.GetReason())):
		return "another reason"
	case got.Warning != d.GetWarning() && got.Granted():
		return "another warning"
	case got.Granted() && (got.GrantID != d.GetGrantId() || got.UnlockMs != uint32(want.UnlockFor.Milliseconds())):
		return "another grant or time"
	case got.Reason != permissionsv1.DecisionReason_DECISION_REASON_BROKEN_FACTS && (got.CredentialID != want.Credential || got.PersonID != want.Person):
		return "another person"
	}
	return ""
}

// moments are random ones inside the budget, and those around which something changes, in rising order.
func (w *bundleWorld) moments(t *rapid.T, b OfflineBundle) []time.Time {
	var edges []time.Time
	for _, s := range doorOfContent(b.Content).GetSchedules() {
		for _, x := range s.GetWindows() {
			edges = append(edges, time.UnixMilli(int64(x.GetFromMs())), time.UnixMilli(int64(x.GetToMs())))
		}
	}
	for _, g := range w.Grants {
		edges = append(edges, g.ValidFrom, g.ValidTo)
	}
	for _, l := range w.Lockdowns {
		edges = append(edges, l.From, l.Until)
	}
	var all []time.Time
	for range 15 {
		all = append(all, b.IssuedAt.Add(time.Duration(w.random.Int64N(int64(b.NotAfter.Sub(b.IssuedAt))))))
		if len(edges) > 0 {
			edge := edges[w.random.IntN(len(edges))].Add(time.Duration(w.random.IntN(3)-1) * time.Millisecond)
			if !edge.Before(b.IssuedAt) && edge.Before(b.NotAfter) {
				all = append(all, edge)
			}
		}
	}
	for i := range all {
		all[i] = all[i].UTC().Truncate(time.Millisecond)
	}
	slices.SortFunc(all, time.Time.Compare)
	return all
}

func (w *bundleWorld) drawCard(t *rapid.T) (*lockwirev1.Card, string) {
	name := pick(t, "card", "p1", "p1", "p2", "p2", "p3", "p4", "p1x", "p2x", "nobody")
	return cardOf(policy.PersonID(name + "-card")), name
}

func doorOfContent(c bundle.Content) *lockwirev1.BundleDoor {
	door := new(lockwirev1.BundleDoor)
	if err := proto.Unmarshal(c.Door, door); err != nil {
		panic(err) // a test's own content
	}
	return door
}
