package lockport

import (
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// unknownBytes is how much is read of a peer before it is known: a ClientHello, a certificate chain within the protocol's limits and what
// proves its key are well below it.
const unknownBytes = 32 << 10

var (
	errTooMuch = errors.New("more bytes than a handshake needs")
	errLate    = errors.New("its turn came when the lock had given up, or was about to")
)

// gate lets a handshake compute only while it holds one of a few slots, which it gives back whenever it waits for its peer. So a
// storm of handshakes, however large, leaves open sessions their share of the CPU, and a peer that sends nothing holds no slot.
// One that was answered goes before those that were not, and one that cannot be answered in time is not at all: nothing is computed in
// vain. After known it passes everything on.
type gate struct {
	net.Conn
	since time.Time // when it came
	slots *slots
	// crowded says that many handshakes are under way: then a peer has less time for each answer.
	crowded  func() bool
	deadline time.Time
	read     int
	holds    bool // a slot
	answered bool
	off      atomic.Bool
}

const (
	// handshakeTimeout is for a whole handshake, patience for each wait for the peer in it while handshakes are many.
	handshakeTimeout = 10 * time.Second
	patience         = 3 * time.Second
)

func newGate(c waiting, slots *slots, crowded func() bool) *gate {
	return &gate{Conn: c.conn, since: c.since, slots: slots, crowded: crowded, deadline: time.Now().Add(handshakeTimeout)}
}

// Read gives the slot back while it waits, and takes one for what follows.
func (g *gate) Read(b []byte) (int, error) {
	if g.off.Load() {
		return g.Conn.Read(b)
	}
	g.rest()
	if g.read >= unknownBytes {
		return 0, errTooMuch
	}
	until := g.deadline
	if short := time.Now().Add(patience); short.Before(until) && g.crowded() {
		until = short
	}
	g.Conn.SetReadDeadline(until)
	n, err := g.Conn.Read(b[:min(len(b), unknownBytes-g.read)])
	g.read += n
	g.slots.take(g.answered)
	g.holds = true
	if err == nil && !g.answered && (time.Since(g.since) > waitLimit || gone(g.Conn)) {
		return 0, errLate
	}
	return n, err
}

// Write implements net.Conn.
func (g *gate) Write(b []byte) (int, error) {
	if !g.off.Load() {
		g.answered = true
	}
	return g.Conn.Write(b)
}

// rest gives the slot back, if there is one.
func (g *gate) rest() {
	if g.holds {
		g.holds = false
		g.slots.give()
	}
}

// known ends the gate's work: the handshake is over, one way or the other.
func (g *gate) known() {
	g.off.Store(true)
	g.rest()
	g.Conn.SetReadDeadline(time.Time{})
}
