package session_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/session"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// standsOpen makes the door stand open in minutes of every day, UTC.
func (p *place) standsOpen(from, to time.Time) {
	p.t.Helper()
	schedule := string(region.NewID(region.Schedule, "euc"))
	spec := &permissionsv1.ScheduleSpec{}
	start := from.UTC().Hour()*60 + from.UTC().Minute()
	for day := range int32(7) {
		spec.Weekly = append(spec.Weekly, &permissionsv1.WeeklyInterval{
			Weekday: day + 1, StartMinute: int32(start), EndMinute: int32(start) + int32(to.Sub(from).Minutes()),
		})
	}
	p.put(p.siteKey("schedule", schedule), &permissionsv1.ScheduleState{TimeZone: "UTC", Spec: spec})
	p.rules(&permissionsv1.DoorRules{AutoUnlockScheduleId: schedule})
}

func (p *place) rules(r *permissionsv1.DoorRules) {
	p.put(p.siteKey("door", p.door), &permissionsv1.DoorState{TimeZone: "UTC", UnlockFor: durationpb.New(3 * time.Second), Rules: r})
}

func (p *place) lockedDown(id string, rank int32, from, until *timestamppb.Timestamp) {
	p.put(p.siteKey("lockdown", id), &permissionsv1.LockdownState{TargetId: p.site, Rank: rank, StartsAt: from, EndsAt: until})
}

// held waits until the lock is held open, or not.
func (p *place) held(l *locksim.Lock, is bool) {
	p.t.Helper()
	p.must(l.WaitDoor(p.soon(), "HoldOpen or its end", func(d *lockwirev1.DoorState) bool { return d.GetHeldUnlocked() == is }))
}

func (p *place) closedDown(l *locksim.Lock, is bool) {
	p.t.Helper()
	p.must(l.WaitDoor(p.soon(), "Lockdown or its end", func(d *lockwirev1.DoorState) bool { return d.GetLockdown() == is }))
}

// commands are those that the ledger would have of a lock, by their id.
func (p *place) commands(l *locksim.Lock) map[string]*gatewayv1.LockEvent {
	p.t.Helper()
	p.must(l.WaitDurable(p.soon()))
	all := map[string]*gatewayv1.LockEvent{}
	for _, e := range p.broker.once(p.t) {
		if e.GetKind() == lockwirev1.EventKind_EVENT_KIND_COMMAND {
			all[e.GetCommandId()] = e
		}
	}
	return all
}

func TestADoorThatStandsOpenIsHeldOpenUntilItsPieceEnds(t *testing.T) {
	p := newPlace(t)
	l := p.openLock()
	now := time.Now().Truncate(time.Minute)
	p.standsOpen(now.Add(-time.Hour), now.Add(time.Hour))
	p.held(l, true)
	p.standsOpen(now.Add(-time.Hour), now.Add(2*time.Hour)) // it ends later
	p.settle()
	p.rules(nil) // it ends now
	p.held(l, false)
	p.rules(nil) // and that is all there is to say
	p.settle()
	all := p.commands(l)
	if len(all) != 2 && len(all) != 3 { // one HoldOpen or two, as fast as the rules came; one Lock
		t.Fatalf("%d commands", len(all))
	}
	for id := range all {
		if !strings.HasPrefix(id, "auto.") {
			t.Errorf("%s: the gateway's own commands cannot be told from an operator's", id)
		}
	}
}

func TestALockThatConnectsIsToldWhatHolds(t *testing.T) {
	p := newPlace(t)
	now := time.Now().Truncate(time.Minute)
	p.standsOpen(now.Add(-time.Hour), now.Add(time.Hour))
	p.settle()
	l := p.openLock()
	p.held(l, true)
	l.Reboot() // what is in memory is gone
	p.must(l.WaitOpen(p.soon()))
	p.held(l, true)
}

func TestALockdownEndsTheStandingOpenAndItsEndBeginsItAgain(t *testing.T) {
	p := newPlace(t)
	now := time.Now().Truncate(time.Minute)
	p.standsOpen(now.Add(-time.Hour), now.Add(time.Hour))
	l := p.openLock()
	p.held(l, true)
	p.lockedDown("ld1", 10, nil, nil)
	p.closedDown(l, true)
	p.held(l, false)
	p.remove(p.siteKey("lockdown", "ld1"))
	p.closedDown(l, false)
	p.held(l, true)
	// One with override holders closes the door, and leaves the lock to the gateway's decisions.
	p.lockedDown("ld2", 5, nil, nil)
	p.held(l, false)
	if l.Door().GetLockdown() {
		t.Fatal("a lockdown that some may override makes the lock admit nobody")
	}
}

func TestALockdownBeginsAndEndsByItself(t *testing.T) {
	p := newPlace(t)
	l := p.openLock()
	p.lockedDown("ld", 10, timestamppb.New(time.Now().Add(500*time.Millisecond)), timestamppb.New(time.Now().Add(1500*time.Millisecond)))
	p.closedDown(l, true)
	p.closedDown(l, false)
	if got := l.Present(p.soon(), badge); !got.Granted {
		t.Fatalf("%+v", got)
	}
}

func TestWhatEndedWhileALockWasAwayIsEndedWhenItIsBack(t *testing.T) {
	p := newPlace(t)
	now := time.Now().Truncate(time.Minute)
	p.standsOpen(now.Add(-time.Hour), now.Add(time.Hour))
	w := newLine(p)
	l := p.lock(func(c *locksim.Config) {
		c.Endpoints, c.BackoffMin, c.BackoffMax = []string{w.address}, time.Second, time.Second
	})
	p.must(l.WaitOpen(p.soon()))
	p.held(l, true)
	w.cut()
	p.rules(nil)
	p.lockedDown("ld", 10, nil, nil)
	p.settle()
	p.closedDown(l, true)
	p.held(l, false)
}

func TestAnOperatorsCommandIsNotTheGatewaysToEnd(t *testing.T) {
	p := newPlace(t)
	l := p.openLock()
	p.done(l, "command_euc_hold", hold(time.Hour))
	p.done(l, "command_euc_down", lockdown(true))
	p.done(l, "command_euc_up", lockdown(false))
	p.done(l, "command_euc_hold_again", hold(time.Hour))
	p.rules(nil)
	p.settle()
	before, _ := p.hub.Report(l.DeviceID())
	l.Disconnect()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) { // it is back before anybody sees it closed
		if now, ok := p.hub.Report(l.DeviceID()); ok && !now.ConnectedSince.Equal(before.ConnectedSince) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the lock does not come back")
		}
	}
	p.rules(&permissionsv1.DoorRules{HeldOpenAfter: durationpb.New(time.Minute)}) // the lock is looked at, also for this
	for deadline := time.Now().Add(10 * time.Second); l.Configuration().GetHeldOpenAfterMs() != 60_000; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the rule did not reach the lock")
		}
	}
	if !l.Door().GetHeldUnlocked() {
		t.Fatal("the gateway ended what an operator began")
	}
}

// slow is a copy that cannot say in time what some doors do by themselves.
type slow struct {
	session.Copy
	device  atomic.Value // string
	waiting chan struct{}
}

func (c *slow) Standing(ctx context.Context, d access.Device, at time.Time) (access.Standing, bool) {
	if d.ID != c.device.Load() {
		return c.Copy.Standing(ctx, d, at)
	}
	select {
	case c.waiting <- struct{}{}:
	default:
	}
	<-ctx.Done()
	return access.Standing{}, false
}

func TestADoorWhoseStateCannotBeReachedKeepsNoOtherDoorOpen(t *testing.T) {
	c := &slow{waiting: make(chan struct{}, 1)}
	c.device.Store("")
	p := newPlace(t, func(cfg *session.Config) { c.Copy, cfg.Copy = cfg.Copy, c })
	now := time.Now().Truncate(time.Minute)
	p.standsOpen(now.Add(-time.Hour), now.Add(time.Hour))
	stuck, l := p.openLock(), p.openLock()
	p.held(stuck, true)
	p.held(l, true)
	c.device.Store(stuck.DeviceID())
	p.standsOpen(now.Add(-time.Hour), now.Add(2*time.Hour)) // both are looked at
	select {
	case <-c.waiting:
	case <-p.soon().Done():
		t.Fatal("not looked at")
	}
	p.lockedDown("ld", 10, nil, nil)
	p.closedDown(l, true)
	p.held(l, false)
}

// A lock that knows no Lockdown is locked, whoever had it held open.
func TestALockdownEndsWhatAnOperatorHoldsOpenAtAnOldLock(t *testing.T) {
	p := newPlace(t)
	r := p.dial()
	hello := r.hello()
	hello.Capabilities, hello.HoldOpenCommand = []string{"command.lock", "command.hold_open"}, "command_euc_hold"
	p.must(r.w.Write(hello))
	_, err := r.r.Next()
	p.must(err)
	p.lockedDown("ld", 10, nil, nil)
	if m, err := r.r.Next(); err != nil || m.(*lockwirev1.Command).GetLock() == nil {
		t.Fatalf("%v, %v", m, err)
	}
}

func TestTheDoorsLimitIsToldInWelcomeToo(t *testing.T) {
	p := newPlace(t)
	p.rules(&permissionsv1.DoorRules{HeldOpenAfter: durationpb.New(90 * time.Second)})
	p.settle()
	r := p.dial()
	if w := p.open(r); w.GetConfiguration().GetHeldOpenAfterMs() != 90_000 {
		t.Fatalf("%v", w)
	}
}
