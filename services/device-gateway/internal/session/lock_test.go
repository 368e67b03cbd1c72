package session_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/session"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestAKeyOpensTheDoorAndTheEventSaysWhoAndWhy(t *testing.T) {
	p := newPlace(t)
	l := p.openLock()
	got := l.Present(p.soon(), badge)
	if !got.Granted || got.UnlockFor != 3*time.Second || !got.Answered || l.Opened() != 1 {
		t.Fatalf("%+v", got)
	}
	p.must(l.WaitDurable(p.soon()))
	events := p.broker.once(t)
	e := events[eventID(l.DeviceID(), 1, got.Sequence)]
	if e.GetPersonId() != p.person || e.GetCredentialId() != p.card || e.GetDecision().GetGrantId() != p.grant ||
		e.GetDoorId() != p.door || e.GetDecision().GetOutcome() != permissionsv1.Outcome_OUTCOME_GRANTED || e.GetDecision().GetRevision().GetVersion() == 0 {
		t.Fatalf("%v", e)
	}
	if boot := events[eventID(l.DeviceID(), 1, 1)]; boot.GetKind() != lockwirev1.EventKind_EVENT_KIND_BOOT {
		t.Fatalf("%v", boot)
	}
}

func TestRefusalsSayWhy(t *testing.T) {
	p := newPlace(t)
	l := p.openLock()
	for _, c := range []struct {
		name   string
		change func()
		card   *lockwirev1.Card
		reason permissionsv1.DecisionReason
	}{
		{"unknown card", func() {}, locksim.Wiegand26(1, 1), permissionsv1.DecisionReason_DECISION_REASON_UNKNOWN_CREDENTIAL},
		{"not yet valid", func() {
			p.put(p.siteKey("grant", p.grant), &permissionsv1.GrantState{
				SubjectId: p.group, TargetId: p.door, ValidFrom: timestamppb.New(time.Now().Add(time.Hour)),
			})
		}, badge, permissionsv1.DecisionReason_DECISION_REASON_NOT_YET_VALID},
		{"expired", func() {
			p.put(p.siteKey("grant", p.grant), &permissionsv1.GrantState{
				SubjectId: p.group, TargetId: p.door, ValidTo: timestamppb.New(time.Now().Add(-time.Hour)),
			})
		}, badge, permissionsv1.DecisionReason_DECISION_REASON_EXPIRED},
		{"schedule missing", func() {
			p.put(p.siteKey("grant", p.grant), &permissionsv1.GrantState{SubjectId: p.group, TargetId: p.door, ScheduleId: "gone"})
		}, badge, permissionsv1.DecisionReason_DECISION_REASON_BROKEN_FACTS},
		{"no grant", func() { p.remove(p.siteKey("grant", p.grant)) }, badge, permissionsv1.DecisionReason_DECISION_REASON_NO_GRANT},
		{"unknown door", func() { p.remove(p.siteKey("door", p.door)) }, badge, permissionsv1.DecisionReason_DECISION_REASON_UNKNOWN_DOOR},
		{"copy too old", func() { p.now.Add(int64(access.DefaultMaxAge + time.Hour)) }, badge, permissionsv1.DecisionReason_DECISION_REASON_COPY_TOO_OLD},
	} {
		c.change()
		p.settle()
		got := l.Present(p.soon(), c.card)
		if got.Granted || permissionsv1.DecisionReason(got.Reason) != c.reason {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	if l.Opened() != 0 {
		t.Fatalf("opened %d times", l.Opened())
	}
}

// settle waits until everything put so far is applied.
func (p *place) settle() {
	p.t.Helper()
	p.put(p.org+".head.permissions.eu-central", nil)
	want := p.version
	deadline := time.Now().Add(5 * time.Second)
	for p.copy.Version(p.org, "permissions", "eu-central") < want {
		if time.Now().After(deadline) {
			p.t.Fatal("the copy does not follow")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestEventsWaitForTheBrokerAndAreOnceAfterwards(t *testing.T) {
	p := newPlace(t)
	p.broker.set(true)
	l := p.openLock()
	for range 5 {
		l.Present(p.soon(), badge)
	}
	p.must(l.WaitReceived(p.soon()))
	if n := len(p.broker.once(t)); n != 0 {
		t.Fatalf("%d events at a broker that is down", n)
	}
	p.broker.set(false)
	p.must(l.WaitDurable(p.soon()))
	if n := len(p.broker.once(t)); n != 6 {
		t.Fatalf("%d events, wanted the boot and five swipes", n)
	}
}

func TestARebootedLockSendsWhatItHeld(t *testing.T) {
	p := newPlace(t)
	store := new(locksim.Memory)
	_, err := locksim.Enroll(p.soon(), store, p.address, p.claim())
	p.must(err)
	// The first boot never connects: its events stay in the ring.
	offline, err := locksim.Open(locksim.Config{Store: store})
	p.must(err)
	if got := offline.Present(p.soon(), badge); got.Granted || got.Answered {
		t.Fatalf("a lock without a gateway: %+v", got)
	}
	l := p.boot(store)
	p.must(l.WaitDurable(p.soon()))
	events := p.broker.once(t)
	for _, id := range []string{eventID(l.DeviceID(), 1, 1), eventID(l.DeviceID(), 1, 2), eventID(l.DeviceID(), 2, 1)} {
		if events[id] == nil {
			t.Errorf("%s is missing", id)
		}
	}
	if d := events[eventID(l.DeviceID(), 1, 2)].GetDecision(); d.GetOutcome() != permissionsv1.Outcome_OUTCOME_DENIED {
		t.Errorf("a swipe that nobody answered: %v", d)
	}
}

func TestAnOverflowedRingSaysSo(t *testing.T) {
	p := newPlace(t)
	store := new(locksim.Memory)
	_, err := locksim.Enroll(p.soon(), store, p.address, p.claim())
	p.must(err)
	offline, err := locksim.Open(locksim.Config{Store: store, RingSize: 5})
	p.must(err)
	for range 20 {
		offline.Present(p.soon(), badge)
	}
	l := p.boot(store)
	p.must(l.WaitDurable(p.soon()))
	var lost, kept uint64
	for _, e := range p.broker.once(t) {
		if e.GetBootEpoch() == 1 {
			kept++
			lost += e.GetLost()
		}
	}
	if kept != 5 || lost != 17 { // 21 happened; 4 are kept besides the marker
		t.Fatalf("%d kept with the marker, %d lost", kept, lost)
	}
}

func TestARevokedDeviceIsClosedAndStaysOut(t *testing.T) {
	p := newPlace(t)
	l := p.openLock()
	p.remove(p.siteKey("device", l.DeviceID()))
	p.must(l.WaitClosed(p.soon()))
	var said *locksim.ProtocolError
	if err := l.WaitError(p.soon()); !errors.As(err, &said) || said.Code != lockwirev1.ErrorCode_ERROR_CODE_DEVICE_REFUSED {
		t.Fatalf("%v", err)
	}
}

func TestAnUnlockCommandOpensOnceAndNeverLate(t *testing.T) {
	p := newPlace(t)
	l := p.openLock()
	u := unlock("command_euc_1", l.DeviceID())
	for range 2 { // the second is a repetition of the same command
		result, err := p.hub.Command(p.soon(), u)
		if err != nil || result.GetOutcome() != lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE {
			t.Fatalf("%v, %v", result, err)
		}
	}
	if l.Opened() != 1 {
		t.Fatalf("opened %d times", l.Opened())
	}
	p.must(l.WaitDurable(p.soon()))
	if e := p.broker.once(t)[eventID(l.DeviceID(), 1, 2)]; e.GetCommandId() != u.CommandID ||
		e.GetCommandOutcome() != lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE {
		t.Fatalf("the command's event: %v", e)
	}
	u.CommandID, u.NotAfter = "command_euc_2", time.Now().Add(-time.Second)
	result, err := p.hub.Command(p.soon(), u)
	if err != nil || result.GetOutcome() != lockwirev1.CommandOutcome_COMMAND_OUTCOME_EXPIRED || l.Opened() != 1 {
		t.Fatalf("a late command: %v, %v, opened %d times", result, err, l.Opened())
	}
	u.Device = "device_euc_0"
	if _, err := p.hub.Command(p.soon(), u); !errors.Is(err, session.ErrOffline) && err != nil {
		t.Fatal(err)
	}
}

func TestALockWithAClockAheadRefusesWhatIsLateForIt(t *testing.T) {
	p := newPlace(t)
	l := p.openLock(func(c *locksim.Config) {
		c.KeepClock = true
		c.Clock = func() time.Time { return time.Now().Add(time.Hour) }
	})
	result, err := p.hub.Command(p.soon(), unlock("command_euc_3", l.DeviceID()))
	if err != nil || result.GetOutcome() != lockwirev1.CommandOutcome_COMMAND_OUTCOME_EXPIRED || l.Opened() != 0 {
		t.Fatalf("%v, %v", result, err)
	}
	p.must(l.WaitDurable(p.soon()))
	found := 0
	deadline := time.Now().Add(5 * time.Second)
	for found == 0 && time.Now().Before(deadline) {
		for id, e := range p.broker.once(t) {
			if e.GetKind() == lockwirev1.EventKind_EVENT_KIND_CLOCK_DIFFERENCE && strings.Contains(id, ".clock-") {
				found++
			}
		}
	}
	if found != 1 {
		t.Fatalf("%d clock differences recorded", found)
	}
}

func TestANewerSessionReplacesTheOlder(t *testing.T) {
	p := newPlace(t)
	store := new(locksim.Memory)
	_, err := locksim.Enroll(p.soon(), store, p.address, p.claim())
	p.must(err)
	first := p.boot(store, func(c *locksim.Config) { c.BackoffMin, c.BackoffMax = time.Hour, time.Hour })
	p.must(first.WaitOpen(p.soon()))
	second := p.boot(store)
	p.must(second.WaitOpen(p.soon()))
	p.must(first.WaitClosed(p.soon()))
	if got := second.Present(p.soon(), badge); !got.Granted {
		t.Fatalf("%+v", got)
	}
}

func TestALockThatDoesNotLeaveIsClosedInOrder(t *testing.T) {
	p := newPlace(t)
	r := p.dial()
	p.open(r)
	go p.hub.Stop(p.soon())
	m, err := r.r.Next()
	if _, ok := m.(*lockwirev1.GoAway); !ok {
		t.Fatalf("%v, %v", m, err)
	}
	if _, err := r.r.Next(); err != io.EOF { // what crypto/tls makes of close_notify
		t.Fatalf("after GoAway: %v", err)
	}
}

func TestGoAwayMakesLocksLeave(t *testing.T) {
	p := newPlace(t)
	l := p.openLock()
	p.hub.Stop(p.soon())
	p.must(l.WaitClosed(p.soon()))
	if n := p.hub.Sessions(); n != 0 {
		t.Fatalf("%d sessions are left", n)
	}
}
