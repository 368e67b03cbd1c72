package lockport

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// A ClientHello whose turn to be answered comes too late is not; an answer of the lock is taken however late its turn comes.
func TestWhatCannotBeAnsweredInTimeIsNot(t *testing.T) {
	for _, c := range []struct {
		name     string
		answered bool
		busy     time.Duration // until there is a slot
		late     bool
	}{{"in time", false, waitLimit, false}, {"late", false, waitLimit + time.Second, true}, {"answered before", true, waitLimit + time.Second, false}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lock, port := net.Pipe()
				slots := newSlots(1)
				slots.take(false)
				g := newGate(waiting{conn: port, since: time.Now()}, slots, func() bool { return false })
				g.answered = c.answered
				go lock.Write([]byte("hello"))
				time.AfterFunc(c.busy, slots.give)
				if _, err := g.Read(make([]byte, 8)); errors.Is(err, errLate) != c.late || err != nil && !c.late {
					t.Errorf("%v", err)
				}
				if g.known(); slots.free != 1 {
					t.Errorf("%d slots are free", slots.free)
				}
			})
		})
	}
}
