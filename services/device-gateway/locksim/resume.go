package locksim

import (
	"bytes"
	"errors"
	"maps"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// former is what a lock keeps of a session that ended, to go on with it; a boot forgets it. The lock's mu guards it.
type former struct {
	session   []byte
	requestID uint64
	received  map[uint64]uint64
}

// remember keeps the session that just ended. mu is held.
func (l *Lock) remember(k *link) {
	if k != nil {
		l.former = &former{session: k.welcome.GetSession(), requestID: k.requestID, received: k.received}
	}
}

// wanted is the session to go on with; empty: a new one. mu is held.
func (l *Lock) wanted() []byte {
	if l.former == nil {
		return nil
	}
	return l.former.session
}

// errNotAsked: the gateway resumes a session that the lock did not name.
var errNotAsked = errors.New("the gateway resumed a session that was not asked for")

// goOn takes over from the former session what counts in both. mu is held.
func (k *link) goOn(w *lockwirev1.Welcome) error {
	was := k.lock.former
	k.lock.former = nil
	if !w.GetResumed() {
		return nil
	}
	if was == nil || !bytes.Equal(was.session, w.GetSession()) {
		return errNotAsked
	}
	// What was sent and not acknowledged is sent again.
	k.requestID, k.received, k.sent = was.requestID, was.received, maps.Clone(was.received)
	return nil
}

// Resumed says whether the open session went on with a former one.
func (l *Lock) Resumed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.link != nil && l.link.welcome.GetResumed()
}

// Disconnect breaks the connection, without a word to the gateway; Run connects again.
func (l *Lock) Disconnect() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.link != nil {
		l.link.conn.NetConn().Close()
	}
}
