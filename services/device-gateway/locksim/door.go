package locksim

import (
	"context"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

const (
	// defaultHeldOpenAfter is when an open door is an alarm, where nobody configured it.
	defaultHeldOpenAfter = 30 * time.Second
	// exitTime is how long after a request to exit the door may be opened.
	exitTime = 5 * time.Second
)

// Sensors is what the lock sees of its door.
type Sensors struct {
	Contact       lockwirev1.Contact
	RequestToExit bool
	Tamper        bool
	Power         lockwirev1.Power
	// Battery is 1 to 100 per cent; 0: not known.
	Battery uint32
}

// door is the door and what was done with it, by the lock's monotonic clock. The lock's mu guards it.
type door struct {
	sensors Sensors
	// unlockedUntil and heldUntil are when the bolt is thrown again; zero: it is.
	unlockedUntil, heldUntil time.Time
	standing                 standing
	// holdCommand is the HoldOpen that holds.
	holdCommand string
	// exitUntil is until when opening is no force; openedAt since when the door is open; forced: it was opened by force.
	exitUntil, openedAt time.Time
	forced              bool
	told                *lockwirev1.DoorState // as last reported
	timer               *time.Timer           // for what changes by itself; nil: nothing has yet
}

// SetDoor changes what the sensors see. A lock without Config.Sensors acts on it and reports nothing.
func (l *Lock) SetDoor(change func(*Sensors)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.door.sensors
	change(&l.door.sensors)
	is, now := l.door.sensors, time.Now()
	l.stand(now)
	if is.RequestToExit {
		l.door.exitUntil = now.Add(exitTime)
	}
	if is.Contact != was.Contact {
		opened := is.Contact == lockwirev1.Contact_CONTACT_OPEN
		l.door.openedAt, l.door.forced = time.Time{}, false
		if opened {
			l.door.openedAt = now
			l.door.forced = !l.unlocked(now) && now.After(l.door.exitUntil)
		}
	}
	l.doorChanged()
}

// Door is the door's state of now.
func (l *Lock) Door() *lockwirev1.DoorState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.doorState(time.Now())
}

// WaitDoor waits until the door's state is as wanted.
func (l *Lock) WaitDoor(ctx context.Context, what string, wanted func(*lockwirev1.DoorState) bool) error {
	return l.await(ctx, what, func() bool { return wanted(l.doorState(time.Now())) })
}

// The rest is called with mu held.

func (l *Lock) unlocked(now time.Time) bool {
	return now.Before(l.door.unlockedUntil) || l.heldUnlocked(now)
}

// heldUnlocked says whether a command, or the bundle, keeps the door unlocked.
func (l *Lock) heldUnlocked(now time.Time) bool {
	return now.Before(l.door.heldUntil) || l.door.standing.open
}

// unlock opens for a time.
func (l *Lock) unlock(d time.Duration) {
	l.opened++
	l.door.unlockedUntil = later(l.door.unlockedUntil, time.Now().Add(d))
	l.doorChanged()
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// lockNow ends an unlock and a HoldOpen.
func (l *Lock) lockNow() {
	l.door.unlockedUntil, l.door.heldUntil, l.door.holdCommand = time.Time{}, time.Time{}, ""
	l.doorChanged()
}

// alarms are what is wrong, in the order of their numbers.
func (l *Lock) alarms(now time.Time) []lockwirev1.DoorAlarm {
	var all []lockwirev1.DoorAlarm
	if l.door.forced {
		all = append(all, lockwirev1.DoorAlarm_DOOR_ALARM_FORCED_OPEN)
	}
	if at := l.heldOpenAt(); !at.IsZero() && !now.Before(at) {
		all = append(all, lockwirev1.DoorAlarm_DOOR_ALARM_HELD_OPEN)
	}
	if l.door.sensors.Tamper {
		all = append(all, lockwirev1.DoorAlarm_DOOR_ALARM_TAMPER)
	}
	return all
}

// heldOpenAt is when the open door is, or was, open for too long; zero: it is closed, or was forced, or stands open by the bundle.
// While it is held open by a command the time does not count.
func (l *Lock) heldOpenAt() time.Time {
	if l.door.openedAt.IsZero() || l.door.forced || l.door.standing.open {
		return time.Time{}
	}
	after := defaultHeldOpenAfter
	if ms := l.configuration().GetHeldOpenAfterMs(); ms != 0 {
		after = time.Duration(ms) * time.Millisecond
	}
	return later(l.door.openedAt, later(l.door.heldUntil, l.door.standing.ended)).Add(after)
}

func (l *Lock) doorState(now time.Time) *lockwirev1.DoorState {
	s := l.door.sensors
	bolt := lockwirev1.Bolt_BOLT_LOCKED
	if l.unlocked(now) {
		bolt = lockwirev1.Bolt_BOLT_UNLOCKED
	}
	return &lockwirev1.DoorState{
		Contact: s.Contact, Bolt: bolt, RequestToExit: s.RequestToExit, Tamper: s.Tamper, Power: s.Power, BatteryPercent: s.Battery,
		Alarms: l.alarms(now), HeldUnlocked: l.heldUnlocked(now), Lockdown: l.flash.Lockdown != "",
	}
}

// doorChanged reports the state, if it is another than the last that was reported, and looks again when it changes by itself.
func (l *Lock) doorChanged() {
	now := time.Now()
	l.stand(now)
	if l.door.holdCommand != "" && !now.Before(l.door.heldUntil) {
		l.door.holdCommand = ""
	}
	if state := l.doorState(now); l.cfg.Sensors && !proto.Equal(state, l.door.told) {
		l.door.told = state
		l.write(l.ring().reserve(), l.stamp(&lockwirev1.Event{Kind: lockwirev1.EventKind_EVENT_KIND_DOOR_STATE, Door: state}))
	} else {
		l.broadcast()
	}
	l.lookAgain(now)
}

func (l *Lock) lookAgain(now time.Time) {
	var next time.Time
	for _, at := range []time.Time{l.door.unlockedUntil, l.door.heldUntil, l.door.standing.next, l.heldOpenAt()} {
		if at.After(now) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	switch {
	case next.IsZero():
	case l.door.timer == nil:
		l.door.timer = time.AfterFunc(next.Sub(now), func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.doorChanged()
		})
	default:
		l.door.timer.Reset(next.Sub(now))
	}
}
