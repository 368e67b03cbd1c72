package lockevent

import (
	"bytes"
	"log/slog"
	"math"
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/proto"
)

var dev = access.Device{ID: "device_euc_01jd3q8v5dfw0b9m3cz1n2k4xw", Org: "org", Site: "site", Door: "door"}

func maker(t *testing.T) *Maker {
	t.Helper()
	regions, err := region.NewMap(map[region.Name]region.Spec{"eu-central": {Code: "euc", Jurisdiction: "eu"}})
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.New([]keyring.Key{{ID: "state-1", Secret: [32]byte{1}}})
	if err != nil {
		t.Fatal(err)
	}
	return New(ring, regions, "gateway_euc_1", slog.New(slog.DiscardHandler))
}

func receipt(t *testing.T, m *Maker, outcome permissionsv1.Outcome) []byte {
	t.Helper()
	decision, err := proto.Marshal(&permissionsv1.Decision{Outcome: outcome, GrantId: "grant"})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := m.Seal(&gatewayv1.DecisionReceipt{
		DeviceId: dev.ID, BootEpoch: 3, Sequence: 9, Decision: decision, PersonId: "person", DecidedAtUnixNano: 1_000_000_000,
		Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	})
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// entry makes event 3.9 with a receipt and returns its payload.
func entry(t *testing.T, m *Maker, epoch, sequence uint64, e *lockwirev1.Event) *gatewayv1.LockEvent {
	t.Helper()
	e.Kind = lockwirev1.EventKind_EVENT_KIND_ACCESS
	made, err := m.Entry(Reported{Device: dev, Epoch: epoch, Sequence: sequence, Event: e, ReceivedAt: time.Unix(100, 0)}, "")
	if err != nil {
		t.Fatal(err)
	}
	payload := new(gatewayv1.LockEvent)
	if err := proto.Unmarshal(made.Event.GetPayload(), payload); err != nil {
		t.Fatal(err)
	}
	return payload
}

func TestAReceiptTellsWhoAndWhyForItsEventOnly(t *testing.T) {
	m := maker(t)
	sealed := receipt(t, m, permissionsv1.Outcome_OUTCOME_GRANTED)
	granted := func() *lockwirev1.Event {
		return &lockwirev1.Event{Outcome: lockwirev1.Outcome_OUTCOME_GRANTED, Receipt: sealed}
	}
	if e := entry(t, m, 3, 9, granted()); e.GetPersonId() != "person" || e.GetDecision().GetGrantId() != "grant" {
		t.Fatalf("%v", e)
	}
	forged := bytes.Clone(sealed)
	forged[len(forged)-1] ^= 1
	for name, e := range map[string]*gatewayv1.LockEvent{
		"another event": entry(t, m, 3, 10, granted()),
		"another boot":  entry(t, m, 4, 9, granted()),
		"forged":        entry(t, m, 3, 9, &lockwirev1.Event{Outcome: lockwirev1.Outcome_OUTCOME_GRANTED, Receipt: forged}),
		"garbage":       entry(t, m, 3, 9, &lockwirev1.Event{Outcome: lockwirev1.Outcome_OUTCOME_GRANTED, Receipt: []byte{200, 1}}),
	} {
		if e.GetPersonId() != "" || e.GetDecision().GetOutcome() != permissionsv1.Outcome_OUTCOME_GRANTED {
			t.Errorf("%s: %v; wanted what the lock reported, without a person", name, e)
		}
	}
}

func TestWhatTheLockDidWithTheDoorCounts(t *testing.T) {
	m := maker(t)
	e := entry(t, m, 3, 9, &lockwirev1.Event{
		Outcome: lockwirev1.Outcome_OUTCOME_GRANTED, Receipt: receipt(t, m, permissionsv1.Outcome_OUTCOME_DENIED),
	})
	if e.GetDecision().GetOutcome() != permissionsv1.Outcome_OUTCOME_GRANTED || e.GetPersonId() != "person" {
		t.Fatalf("a door that opened is recorded as closed: %v", e)
	}
	if e := entry(t, m, 3, 9, &lockwirev1.Event{Outcome: 77}); e.GetDecision().GetOutcome() != permissionsv1.Outcome_OUTCOME_DENIED {
		t.Fatalf("an unknown outcome: %v", e)
	}
}

func TestTimesOfALockAreBelievedWithinReason(t *testing.T) {
	received := time.Unix(1_800_000_000, 0)
	for name, c := range map[string]struct {
		ms      uint64
		quality lockwirev1.ClockQuality
		want    time.Time
	}{
		"set":            {1_799_999_999_000, lockwirev1.ClockQuality_CLOCK_QUALITY_SYNCHRONIZED, received.Add(-time.Second)},
		"free running":   {1_799_999_999_000, lockwirev1.ClockQuality_CLOCK_QUALITY_FREE_RUNNING, received.Add(-time.Second)},
		"unset":          {1_799_999_999_000, lockwirev1.ClockQuality_CLOCK_QUALITY_UNSET, received},
		"unknown":        {1_799_999_999_000, 99, received},
		"in the future":  {1_900_000_000_000, lockwirev1.ClockQuality_CLOCK_QUALITY_SYNCHRONIZED, received},
		"none":           {0, lockwirev1.ClockQuality_CLOCK_QUALITY_SYNCHRONIZED, received},
		"clock nonsense": {math.MaxUint64, lockwirev1.ClockQuality_CLOCK_QUALITY_SYNCHRONIZED, received},
	} {
		made, err := maker(t).Entry(Reported{Device: dev, Epoch: 1, Sequence: 1, ReceivedAt: received, Event: &lockwirev1.Event{
			LockTimeMs: c.ms, ClockQuality: c.quality,
		}}, "")
		if err != nil || !made.Event.GetOccurredAt().AsTime().Equal(c.want) {
			t.Errorf("%s: %v, %v", name, made.Event.GetOccurredAt().AsTime(), err)
		}
		e := new(gatewayv1.LockEvent)
		if err := proto.Unmarshal(made.Event.GetPayload(), e); err != nil || c.ms != 0 && e.GetLockTime().CheckValid() != nil {
			t.Errorf("%s: lock time %v", name, e.GetLockTime())
		}
	}
}

// Receipts outlive the gateway that sealed them: what they are bound to stays as it is.
func TestWhatAReceiptIsBoundTo(t *testing.T) {
	if got, want := string(receiptContext("device_euc_1", 3, 1<<63)), "receipt/v1|device_euc_1|3|9223372036854775808"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
