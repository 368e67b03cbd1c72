package session_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/session"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
)

// unlock is an order to unlock for a second, good for five.
func unlock(id, device string) session.Order {
	return order(id, device, &lockwirev1.Command{Action: &lockwirev1.Command_Unlock{Unlock: &lockwirev1.Unlock{UnlockMs: 1000}}})
}

func order(id, device string, c *lockwirev1.Command) session.Order {
	return session.Order{CommandID: id, Device: device, Command: c, NotAfter: time.Now().Add(5 * time.Second)}
}

// does sends a command to a lock and returns its answer.
func (p *place) does(l *locksim.Lock, id string, c *lockwirev1.Command) *lockwirev1.CommandResult {
	p.t.Helper()
	result, err := p.hub.Command(p.soon(), order(id, l.DeviceID(), c))
	p.must(err)
	return result
}

func (p *place) done(l *locksim.Lock, id string, c *lockwirev1.Command) {
	p.t.Helper()
	if result := p.does(l, id, c); result.GetOutcome() != lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE {
		p.t.Fatalf("%s: %v", id, result)
	}
}

func withSensors(c *locksim.Config) { c.Sensors = true }

func hold(d time.Duration) *lockwirev1.Command {
	return &lockwirev1.Command{Action: &lockwirev1.Command_HoldOpen{HoldOpen: &lockwirev1.HoldOpen{UntilMs: uint64(time.Now().Add(d).UnixMilli())}}}
}

func lockdown(active bool) *lockwirev1.Command {
	return &lockwirev1.Command{Action: &lockwirev1.Command_Lockdown{Lockdown: &lockwirev1.Lockdown{Active: active}}}
}

var lockCommand = &lockwirev1.Command{Action: &lockwirev1.Command_Lock{Lock: new(lockwirev1.Lock)}}

func TestHeldOpenUntilItsEndOrALockCommand(t *testing.T) {
	p := newPlace(t)
	l := p.openLock(withSensors)
	held := func(is bool) func(*lockwirev1.DoorState) bool {
		return func(d *lockwirev1.DoorState) bool {
			return d.GetHeldUnlocked() == is && (d.GetBolt() == lockwirev1.Bolt_BOLT_UNLOCKED) == is
		}
	}
	p.done(l, "hold-1", hold(time.Hour))
	p.must(l.WaitDoor(p.soon(), "held", held(true)))
	p.done(l, "lock-1", lockCommand)
	p.must(l.WaitDoor(p.soon(), "locked", held(false)))
	p.done(l, "hold-2", hold(300*time.Millisecond))
	p.must(l.WaitDoor(p.soon(), "locked by itself", held(false)))
}

func TestALockdownAdmitsNobodyAndSurvivesABoot(t *testing.T) {
	p := newPlace(t)
	l := p.openLock(withSensors)
	p.done(l, "hold", hold(time.Hour))
	p.done(l, "lockdown", lockdown(true))
	if d := l.Door(); !d.GetLockdown() || d.GetHeldUnlocked() || d.GetBolt() != lockwirev1.Bolt_BOLT_LOCKED {
		t.Fatalf("%v", d)
	}
	if got := l.Present(p.soon(), badge); got.Granted || !got.Answered {
		t.Fatalf("%+v", got)
	}
	if r := p.does(l, "unlock", unlock("", "").Command); r.GetOutcome() != lockwirev1.CommandOutcome_COMMAND_OUTCOME_FAILED || r.GetText() == "" {
		t.Fatalf("%v", r)
	}
	epoch := l.BootEpoch()
	p.done(l, "reboot", &lockwirev1.Command{Action: &lockwirev1.Command_Reboot{Reboot: new(lockwirev1.Reboot)}})
	for deadline := time.Now().Add(10 * time.Second); l.BootEpoch() == epoch; time.Sleep(time.Millisecond) { // it is back before anybody sees it closed
		if time.Now().After(deadline) {
			t.Fatal("it does not boot")
		}
	}
	p.must(l.WaitOpen(p.soon()))
	if got := l.Present(p.soon(), badge); got.Granted || l.BootEpoch() != epoch+1 || l.Opened() != 0 {
		t.Fatalf("%+v in boot epoch %d", got, l.BootEpoch())
	}
	p.done(l, "lifted", lockdown(false))
	if got := l.Present(p.soon(), badge); !got.Granted {
		t.Fatalf("%+v", got)
	}
}

func TestAConfigurationIsMergedAndKept(t *testing.T) {
	p := newPlace(t)
	l := p.openLock(withSensors)
	configure := func(id string, c *lockwirev1.Configuration) {
		p.done(l, id, &lockwirev1.Command{Action: &lockwirev1.Command_Configure{Configure: c}})
	}
	configure("c1", &lockwirev1.Configuration{HeldOpenAfterMs: 1000, Settings: map[string]string{"led": "blue", "beep": "1"}})
	configure("c2", &lockwirev1.Configuration{Volume: 30, Settings: map[string]string{"led": ""}})
	l.Reboot()
	p.must(l.WaitOpen(p.soon()))
	is := l.Configuration()
	if is.GetHeldOpenAfterMs() != 1000 || is.GetVolume() != 30 || len(is.GetSettings()) != 1 || is.GetSettings()["beep"] != "1" {
		t.Fatalf("%v", is)
	}
	// And it holds: a door that stands open for a second is an alarm.
	p.done(l, "hold", unlock("", "").Command)
	l.SetDoor(func(s *locksim.Sensors) { s.Contact = lockwirev1.Contact_CONTACT_OPEN })
	p.must(l.WaitDoor(p.soon(), "the alarm", func(d *lockwirev1.DoorState) bool {
		return slices.Equal(d.GetAlarms(), []lockwirev1.DoorAlarm{lockwirev1.DoorAlarm_DOOR_ALARM_HELD_OPEN})
	}))
}

func TestFirmwareComesInPiecesAlsoOverABoot(t *testing.T) {
	p := newPlace(t)
	l := p.openLock()
	image := bytes.Repeat([]byte("firmware"), 1000)
	sum := sha256.Sum256(image)
	piece := func(id string, hash []byte, offset, end int) *lockwirev1.CommandResult {
		return p.does(l, id, &lockwirev1.Command{Action: &lockwirev1.Command_Firmware{Firmware: &lockwirev1.FirmwareChunk{
			Sha256: hash, Version: "2.0.0", Size: uint32(len(image)), Offset: uint32(offset), Data: image[offset:end],
		}}})
	}
	wants := func(r *lockwirev1.CommandResult, outcome lockwirev1.CommandOutcome, next int) {
		t.Helper()
		if r.GetOutcome() != outcome || r.GetFirmwareOffset() != uint32(next) {
			t.Fatalf("%v, wanted %s and %d next", r, outcome, next)
		}
	}
	const done, failed = lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE, lockwirev1.CommandOutcome_COMMAND_OUTCOME_FAILED
	wants(piece("f1", sum[:], 0, 3000), done, 3000)
	wants(piece("f2", sum[:], 5000, 8000), done, 3000) // a hole: it says what it needs
	l.Reboot()
	p.must(l.WaitOpen(p.soon()))
	wants(piece("f3", sum[:], 0, 0), done, 3000) // only asks
	wants(piece("f4", sum[:], 3000, 8000), done, 8000)
	wants(piece("f5", sum[:], 0, 0), done, 8000)
	l.Reboot()
	p.must(l.WaitOpen(p.soon()))
	if r, ok := p.hub.Report(l.DeviceID()); !ok || r.Firmware != "2.0.0" {
		t.Fatalf("%+v, %v", r, ok)
	}
	wrong := sha256.Sum256([]byte("another"))
	wants(piece("f6", wrong[:], 0, 8000), failed, 0)
	wants(piece("f7", wrong[:], 0, 0), done, 0) // thrown away
}

func TestSetTimeSetsALockThatKeepsItsClock(t *testing.T) {
	p := newPlace(t)
	l := p.openLock(func(c *locksim.Config) {
		c.KeepClock = true
		c.Clock = func() time.Time { return time.Now().Add(-time.Minute) }
	})
	p.done(l, "time", &lockwirev1.Command{Action: &lockwirev1.Command_SetTime{SetTime: new(lockwirev1.SetTime)}})
	if d := time.Until(l.Now()).Abs(); d > 5*time.Second {
		t.Fatalf("off by %s", d)
	}
}

func TestDoorStatesAreReportedWholeAndAtEachChange(t *testing.T) {
	p := newPlace(t)
	l := p.openLock(withSensors)
	for _, change := range []func(*locksim.Sensors){
		func(s *locksim.Sensors) { s.RequestToExit = true },
		func(s *locksim.Sensors) { s.Contact = lockwirev1.Contact_CONTACT_OPEN }, // somebody leaves: no alarm
		func(s *locksim.Sensors) { s.RequestToExit = false },
		func(s *locksim.Sensors) { s.RequestToExit = false }, // nothing new
		func(s *locksim.Sensors) { s.Tamper = true },
		func(s *locksim.Sensors) { s.Tamper = false },
		func(s *locksim.Sensors) { s.Power, s.Battery = lockwirev1.Power_POWER_BATTERY, 77 },
	} {
		l.SetDoor(change)
	}
	p.must(l.WaitDurable(p.soon()))
	events := p.broker.once(t)
	if len(events) != 8 { // the boot, the state after it, six changes
		t.Fatalf("%d events", len(events))
	}
	last := events[eventID(l.DeviceID(), 1, 8)]
	if last.GetKind() != lockwirev1.EventKind_EVENT_KIND_DOOR_STATE || last.GetDoor().GetBatteryPercent() != 77 || len(last.GetDoor().GetAlarms()) != 0 ||
		last.GetDoor().GetContact() != lockwirev1.Contact_CONTACT_OPEN || last.GetDoorId() != p.door {
		t.Fatalf("%v", last)
	}
	if tampered := events[eventID(l.DeviceID(), 1, 6)]; !slices.Equal(tampered.GetDoor().GetAlarms(), []lockwirev1.DoorAlarm{lockwirev1.DoorAlarm_DOOR_ALARM_TAMPER}) {
		t.Fatalf("%v", tampered)
	}
	if r, ok := p.hub.Report(l.DeviceID()); !ok || r.Door.GetBatteryPercent() != 77 || r.DoorAt.IsZero() || r.BootEpoch != 1 {
		t.Fatalf("%+v", r)
	}
}

func TestADoorThatOpensByForceIsAnAlarmUntilItIsClosed(t *testing.T) {
	p := newPlace(t)
	l := p.openLock(withSensors)
	forced := []lockwirev1.DoorAlarm{lockwirev1.DoorAlarm_DOOR_ALARM_FORCED_OPEN}
	l.SetDoor(func(s *locksim.Sensors) { s.Contact = lockwirev1.Contact_CONTACT_OPEN })
	if d := l.Door(); !slices.Equal(d.GetAlarms(), forced) {
		t.Fatalf("%v", d)
	}
	l.SetDoor(func(s *locksim.Sensors) { s.Contact = lockwirev1.Contact_CONTACT_CLOSED })
	if d := l.Door(); len(d.GetAlarms()) != 0 {
		t.Fatalf("%v", d)
	}
	l.Present(p.soon(), badge)
	l.SetDoor(func(s *locksim.Sensors) { s.Contact = lockwirev1.Contact_CONTACT_OPEN })
	if d := l.Door(); len(d.GetAlarms()) != 0 {
		t.Fatalf("after an unlock: %v", d)
	}
}

func TestALockHasABoundOfCommandsUnderWay(t *testing.T) {
	p := newPlace(t)
	r := p.dial()
	p.must(r.w.Write(withUnlock(r.hello())))
	_, err := r.r.Next()
	p.must(err)
	const most = 60 // four more are for the gateway's own
	ended := make(chan error, most)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for i := range most {
		go func() {
			_, err := p.hub.Command(ctx, unlock(fmt.Sprint("u", i), r.device))
			ended <- err
		}()
	}
	for range most {
		if m, err := r.r.Next(); err != nil || m.(*lockwirev1.Command) == nil {
			t.Fatalf("%v, %v", m, err)
		}
	}
	if _, err := p.hub.Command(p.soon(), unlock("one more", r.device)); !errors.Is(err, session.ErrBusy) {
		t.Fatal(err)
	}
	cancel()
	for range most {
		<-ended
	}
	go func() { // there is room again
		if m, err := r.r.Next(); err == nil {
			r.w.Write(&lockwirev1.CommandResult{CommandId: m.(*lockwirev1.Command).GetCommandId(), Outcome: lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE})
		}
	}()
	if result, err := p.hub.Command(p.soon(), unlock("and now", r.device)); err != nil || result.GetOutcome() != lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE {
		t.Fatalf("%v, %v", result, err)
	}
}

// However many commands of others wait, a lockdown goes out.
func TestALockdownHasRoomBehindOtherCommands(t *testing.T) {
	p := newPlace(t)
	r := p.dial()
	hello := withUnlock(r.hello())
	hello.Capabilities = append(hello.Capabilities, "command.lockdown")
	p.must(r.w.Write(hello))
	_, err := r.r.Next()
	p.must(err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	refused := make(chan error, 64)
	for i := range 64 {
		go func() {
			if _, err := p.hub.Command(ctx, unlock(fmt.Sprint("u", i), r.device)); errors.Is(err, session.ErrBusy) {
				refused <- err
			}
		}()
	}
	for range 60 {
		if m, err := r.r.Next(); err != nil || m.(*lockwirev1.Command).GetUnlock() == nil {
			t.Fatalf("%v, %v", m, err)
		}
	}
	for range 4 {
		select {
		case <-refused:
		case <-p.soon().Done():
			t.Fatal("there is no limit")
		}
	}
	p.lockedDown("ld", 10, nil, nil)
	if m, err := r.r.Next(); err != nil || !m.(*lockwirev1.Command).GetLockdown().GetActive() {
		t.Fatalf("%v, %v", m, err)
	}
}
