package locksim

import (
	"errors"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// deadAfter is how long a gateway that did not answer an AccessRequest in time has to send anything, once it was asked with Ping.
const deadAfter = time.Second

// errDead ends a session whose other end does not answer: the next endpoint is dialled without a wait.
var errDead = errors.New("the gateway answers nothing")

// suspect is called when an AccessRequest had no answer while that counted. It asks whether anybody is there.
func (k *link) suspect() {
	k.lock.mu.Lock()
	if k.over != nil || k.suspected {
		k.lock.mu.Unlock()
		return
	}
	k.suspected = true
	heard := k.heard.Load()
	k.timers = append(k.timers, time.AfterFunc(deadAfter, func() {
		k.lock.mu.Lock()
		k.suspected = false
		dead := k.heard.Load() == heard
		k.lock.mu.Unlock()
		if dead {
			k.abandon()
		}
	}))
	k.lock.mu.Unlock()
	// Beside: a line that takes nothing may hold the writer, and the timer ends that too.
	go k.write(&lockwirev1.Ping{Nonce: ^uint64(0)})
}

// abandon ends the session without waiting for anything to be written.
func (k *link) abandon() {
	k.conn.NetConn().SetWriteDeadline(time.Unix(1, 0)) // who holds the writer gives it back
	k.lock.mu.Lock()
	over := k.finish(errDead)
	k.lock.mu.Unlock()
	if !over {
		k.conn.NetConn().Close() // without close_notify: nobody would read it
	}
}
