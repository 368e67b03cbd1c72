package locksim

import (
	"context"
	"net"
	"time"
)

// Dialer opens a connection, as net.Dialer.DialContext does.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// Observer is told what happens to a lock, in the order in which it happens. Its methods are called while the lock's state
// is held: they must return at once and not call the lock.
type Observer interface {
	// SessionOpened: a Welcome came; took is since the lock began to dial.
	SessionOpened(took time.Duration)
	// SessionEnded: a session ended, or could not begin. Never nil, but possibly the end of Run's context.
	SessionEnded(err error)
	// EventWritten: the event is in the ring.
	EventWritten(epoch, sequence uint64)
	// EventsReceived: a gateway said that it has the epoch's events up to this on its disk; may come again for the same.
	EventsReceived(epoch, upTo uint64)
	// EventsDurable: a gateway said that these are durable, and the lock frees them. No event comes twice in the life of a
	// store. What the ring lost by overflow is in none.
	EventsDurable(epoch, first, last uint64)
}

// nobody observes nothing.
type nobody struct{}

func (nobody) SessionOpened(time.Duration)  {}
func (nobody) SessionEnded(error)           {}
func (nobody) EventWritten(_, _ uint64)     {}
func (nobody) EventsReceived(_, _ uint64)   {}
func (nobody) EventsDurable(_, _, _ uint64) {}
