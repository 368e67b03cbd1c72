package lockevent

import (
	"fmt"
	"log/slog"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/journal"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Service is the name in envelopes and subjects.
const Service = "device-gateway"

// Kinds of events, the last part of the subject.
const (
	kindAccess = "access"
	kindLock   = "lock"
	kindOrder  = "command_ordered"
)

// Maker makes the events of one gateway.
type Maker struct {
	ring    *keyring.Ring
	regions *region.Map
	gateway region.ID
	logger  *slog.Logger
}

// New makes a maker; ring has the jurisdiction's state keys.
func New(ring *keyring.Ring, regions *region.Map, gateway region.ID, logger *slog.Logger) *Maker {
	return &Maker{ring: ring, regions: regions, gateway: gateway, logger: logger}
}

// Reported is one event as a lock sent it.
type Reported struct {
	Device          access.Device
	Epoch, Sequence uint64
	Event           *lockwirev1.Event
	ReceivedAt      time.Time
}

// Traceparent is the trace that the event belongs to: the lock's, else the decision's; empty when there is none.
func (m *Maker) Traceparent(r Reported) string {
	if tp := r.Event.GetTraceparent(); tp != "" {
		return tp
	}
	if receipt, err := m.open(r.Event.GetReceipt(), r.Device.ID, r.Epoch, r.Sequence); err == nil {
		return receipt.GetTraceparent()
	}
	return ""
}

// Entry makes the journal's entry of what a lock reported. traceparent goes into the envelope.
func (m *Maker) Entry(r Reported, traceparent string) (journal.Entry, error) {
	e := &gatewayv1.LockEvent{
		DeviceId: r.Device.ID, DoorId: r.Device.Door, SiteId: r.Device.Site, BootEpoch: r.Epoch, Sequence: r.Sequence,
		Kind: r.Event.GetKind(), Offline: r.Event.GetOffline(), ClockQuality: r.Event.GetClockQuality(),
		ReceivedAt: timestamppb.New(r.ReceivedAt), GatewayId: string(m.gateway), Lost: r.Event.GetLost(), CommandId: r.Event.GetCommandId(),
		CommandOutcome: r.Event.GetCommandOutcome(), Door: r.Event.GetDoor(),
	}
	if r.Event.GetLockTimeMs() != 0 {
		e.LockTime = timestamppb.New(milli(r.Event.GetLockTimeMs()))
	}
	occurred, kind := occurredAt(r), kindLock
	if r.Event.GetKind() == lockwirev1.EventKind_EVENT_KIND_ACCESS {
		kind = kindAccess
		e.Decision = reportedDecision(r.Event)
		if decidedAt, ok := m.fromReceipt(r, e); ok {
			occurred = decidedAt
		} else if r.Event.GetOffline() {
			m.fromBundle(r.Event, e)
		}
	}
	id := fmt.Sprintf("%s.%d.%d", r.Device.ID, r.Epoch, r.Sequence)
	event, err := m.envelope(id, kind, r.Device, e, occurred, r.ReceivedAt, traceparent)
	if event != nil {
		event.Cause = r.Event.GetCommandId()
	}
	return journal.Entry{Epoch: r.Epoch, Sequence: r.Sequence, Event: event}, err
}

// ClockDifference makes the entry of a clock that is off, once in a session.
func (m *Maker) ClockDifference(d access.Device, epoch uint64, session []byte, lockTime time.Time, quality lockwirev1.ClockQuality, now time.Time) (journal.Entry, error) {
	e := &gatewayv1.LockEvent{
		DeviceId: d.ID, DoorId: d.Door, SiteId: d.Site, BootEpoch: epoch, Kind: lockwirev1.EventKind_EVENT_KIND_CLOCK_DIFFERENCE,
		LockTime: timestamppb.New(lockTime), ClockQuality: quality, ReceivedAt: timestamppb.New(now), GatewayId: string(m.gateway),
	}
	id := fmt.Sprintf("%s.%d.clock-%x", d.ID, epoch, session)
	event, err := m.envelope(id, kindLock, d, e, now, now, "")
	return journal.Entry{Epoch: epoch, Event: event}, err
}

func (m *Maker) envelope(id, kind string, d access.Device, payload proto.Message, occurred, recorded time.Time, traceparent string) (*typev1.Event, error) {
	home, err := m.regions.Home(region.ID(d.ID))
	if err != nil {
		return nil, err
	}
	body, err := proto.Marshal(payload)
	if err != nil {
		return nil, err
	}
	return &typev1.Event{
		Id: id, SchemaVersion: 1, Region: string(home.Name), OrgId: d.Org, Service: Service, Stream: d.ID, Kind: kind,
		Payload: body, Actor: d.ID, Traceparent: traceparent,
		OccurredAt: timestamppb.New(occurred), RecordedAt: timestamppb.New(recorded),
	}, nil
}

// reportedDecision is what the lock says; it names no grant.
func reportedDecision(e *lockwirev1.Event) *permissionsv1.Decision {
	return &permissionsv1.Decision{Outcome: outcome(e.GetOutcome()), Reason: permissionsv1.DecisionReason(e.GetReason())}
}

// outcome: what the lock does not say clearly was no opening.
func outcome(o lockwirev1.Outcome) permissionsv1.Outcome {
	if o == lockwirev1.Outcome_OUTCOME_GRANTED {
		return permissionsv1.Outcome_OUTCOME_GRANTED
	}
	return permissionsv1.Outcome_OUTCOME_DENIED
}

// fromReceipt fills in who and why, and returns when it was decided. What the lock did with the door counts, though: a
// door that opened is never recorded as closed.
func (m *Maker) fromReceipt(r Reported, e *gatewayv1.LockEvent) (time.Time, bool) {
	if len(r.Event.GetReceipt()) == 0 {
		return time.Time{}, false
	}
	receipt, err := m.open(r.Event.GetReceipt(), r.Device.ID, r.Epoch, r.Sequence)
	decision := new(permissionsv1.Decision)
	if err == nil {
		err = proto.Unmarshal(receipt.GetDecision(), decision)
	}
	if err != nil {
		m.logger.Warn("an event's receipt does not open; recorded as the lock reported it",
			"device", r.Device.ID, "boot_epoch", r.Epoch, "sequence", r.Sequence)
		return time.Time{}, false
	}
	if done := e.GetDecision().GetOutcome(); done != decision.GetOutcome() {
		m.logger.Warn("a lock did not do what was decided", "device", r.Device.ID, "boot_epoch", r.Epoch,
			"sequence", r.Sequence, "decided", decision.GetOutcome().String(), "done", done.String())
		decision.Outcome = done
	}
	e.Decision, e.PersonId, e.CredentialId = decision, receipt.GetPersonId(), receipt.GetCredentialId()
	return time.Unix(0, receipt.GetDecidedAtUnixNano()), true
}

// fromBundle fills in whom a lock says that it let in, or not, alone. An id is taken and nothing else: the ledger has no names of people,
// and a lock is not to write them there.
func (m *Maker) fromBundle(said *lockwirev1.Event, e *gatewayv1.LockEvent) {
	e.BundleVersion = said.GetBundleVersion()
	if id, err := m.regions.Parse(said.GetPersonId(), region.Person); err == nil {
		e.PersonId = string(id)
	}
	if id, err := m.regions.Parse(said.GetCredentialId(), region.Credential); err == nil {
		e.CredentialId = string(id)
	}
}

// occurredAt is the lock's time where it can be believed, else when it was received.
func occurredAt(r Reported) time.Time {
	at := milli(r.Event.GetLockTimeMs())
	believable := r.Event.GetLockTimeMs() != 0 && clockSet(r.Event.GetClockQuality()) &&
		!at.After(r.ReceivedAt.Add(MaxClockDifference))
	if believable {
		return at
	}
	return r.ReceivedAt
}

// MaxClockDifference is how far a lock's clock may be off before it is recorded.
const MaxClockDifference = 30 * time.Second

// milli is a time from a lock; absurd values stay inside what a timestamp can carry.
func milli(ms uint64) time.Time {
	const latest = 253402300799999 // the end of the year 9999
	return time.UnixMilli(int64(min(ms, latest)))
}

// clockSet: a quality that this build does not know counts as UNSET.
func clockSet(q lockwirev1.ClockQuality) bool {
	return q == lockwirev1.ClockQuality_CLOCK_QUALITY_FREE_RUNNING || q == lockwirev1.ClockQuality_CLOCK_QUALITY_SYNCHRONIZED
}
