package locksim

import (
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// boot begins a boot epoch: what was in memory is gone, what was in the flash stays. mu is held, or the lock is not shared yet.
func (l *Lock) boot() {
	for _, r := range l.flash.Rings {
		r.afterBoot()
	}
	l.flash.BootEpoch++
	l.flash.Rings = append(l.flash.Rings, &epochRing{Epoch: l.flash.BootEpoch, First: 1, Next: 1})
	l.booted, l.running, l.former = time.Now(), l.runs(), nil
	sensors := l.door.sensors
	if l.door.timer != nil {
		l.door.timer.Stop()
	}
	l.door = door{sensors: sensors}
	l.write(l.ring().reserve(), l.stamp(&lockwirev1.Event{Kind: lockwirev1.EventKind_EVENT_KIND_BOOT}))
	l.doorChanged()
}

// Reboot boots the lock anew, as Command's Reboot does; a session ends.
func (l *Lock) Reboot() {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.link
	l.link = nil
	l.boot()
	if k != nil {
		k.conn.NetConn().Close() // no close_notify: the power went
	}
}
