package lockport

import (
	"container/list"
	"net"
	"net/netip"
	"sync"
	"time"
)

// waitLimit is how long a connection may wait for its ClientHello to be answered. A lock gives up 10 s after it dialled, and a small one
// computes for a second or two of that: one whose turn comes later could not end its handshake any more, and what is computed for it would be in
// vain.
const waitLimit = 5 * time.Second

// places bounds connections and the handshakes under way, in all and per address, and lets what is over wait its turn. Addresses
// take turns, so that one that sends many does not keep the others out. Its cost is bounded: a waiting connection has a
// descriptor and an entry here, and no goroutine.
type places struct {
	limits limits
	now    func() time.Time

	mu sync.Mutex // guards all below
	// open and handshakes count what is under way in all; byAddress the same for each.
	open, handshakes, waiting int
	byAddress                 map[netip.Addr]*address
	// turns has the addresses with a waiting connection, the next one first.
	turns *list.List
}

// limits are a Port's; see Config.
type limits struct {
	connections, connectionsPerAddress int
	handshakes, handshakesPerAddress   int
	waiting                            int
	enrolmentsPerMinute                int
}

// address is what one address has.
type address struct {
	addr             netip.Addr
	open, handshakes int
	queue            []waiting
	turn             *list.Element // nil: it is not in turns
	enrolments       float64       // tokens left, as of refilled
	refilled         time.Time
}

// waiting is a connection whose handshake has not begun, or begins now.
type waiting struct {
	conn  net.Conn
	from  netip.Addr
	since time.Time
}

func newPlaces(l limits, now func() time.Time) *places {
	return &places{limits: l, now: now, byAddress: map[netip.Addr]*address{}, turns: list.New()}
}

// verdict is what becomes of a new connection.
type verdict int

const (
	refused verdict = iota // over a limit: close it
	begin                  // begin its handshake
	queued                 // next will return it
)

// enter counts a connection in.
func (p *places) enter(addr netip.Addr, conn net.Conn) verdict {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.byAddress[addr]
	if a == nil {
		a = &address{addr: addr, enrolments: float64(p.limits.enrolmentsPerMinute), refilled: p.now()}
	}
	if p.open >= p.limits.connections || a.open >= p.limits.connectionsPerAddress {
		return refused
	}
	free := p.free(a) && len(a.queue) == 0
	if !free && p.waiting >= p.limits.waiting {
		return refused
	}
	p.byAddress[addr] = a
	p.open++
	a.open++
	if free {
		p.handshakes++
		a.handshakes++
		return begin
	}
	p.waiting++
	a.queue = append(a.queue, waiting{conn, addr, p.now()})
	p.line(a)
	return queued
}

func (p *places) free(a *address) bool {
	return p.handshakes < p.limits.handshakes && a.handshakes < p.limits.handshakesPerAddress
}

// crowded says that more than half of the handshakes' places are taken, in all or of those of an address.
func (p *places) crowded(addr netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.byAddress[addr]
	return 2*p.handshakes > p.limits.handshakes || a != nil && 2*a.handshakes > p.limits.handshakesPerAddress
}

// line gives an address a turn when it may begin a handshake. One that has all its handshakes under way comes back in known.
func (p *places) line(a *address) {
	if a.turn == nil && len(a.queue) > 0 && a.handshakes < p.limits.handshakesPerAddress {
		a.turn = p.turns.PushBack(a)
	}
}

// known gives a handshake's place back, and returns the connection whose turn it is, if any, and those that waited for too
// long and are to be closed.
func (p *places) known(addr netip.Addr) (next waiting, any bool, late []net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.handshakes--
	if a := p.byAddress[addr]; a != nil {
		a.handshakes--
		p.line(a)
	}
	return p.next()
}

// next takes the connection whose turn it is. mu is held.
func (p *places) next() (next waiting, any bool, late []net.Conn) {
	for p.handshakes < p.limits.handshakes && p.turns.Len() > 0 {
		a := p.turns.Remove(p.turns.Front()).(*address)
		a.turn = nil
		first := a.queue[0]
		a.queue[0] = waiting{}
		a.queue = a.queue[1:]
		p.waiting--
		if p.now().Sub(first.since) > waitLimit {
			late = append(late, first.conn)
			p.gone(a)
			p.line(a)
			continue
		}
		p.handshakes++
		a.handshakes++
		p.line(a)
		return first, true, late
	}
	return waiting{}, false, late
}

// leave counts a connection out; its handshake's place was given back before.
func (p *places) leave(addr netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a := p.byAddress[addr]; a != nil {
		p.gone(a)
	}
}

// gone is called with mu held.
func (p *places) gone(a *address) {
	p.open--
	if a.open--; a.open == 0 && p.refill(a) >= float64(p.limits.enrolmentsPerMinute) {
		delete(p.byAddress, a.addr)
	}
}

// enrolment takes one of an address's enrolments of this minute; wait: how long it has to wait for one.
func (p *places) enrolment(addr netip.Addr) (wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.byAddress[addr]
	if a == nil {
		return time.Minute // its connection was counted in, so it is there
	}
	if left := p.refill(a); left < 1 {
		return time.Duration((1 - left) * float64(time.Minute) / float64(p.limits.enrolmentsPerMinute))
	}
	a.enrolments--
	return 0
}

func (p *places) refill(a *address) float64 {
	now, most := p.now(), float64(p.limits.enrolmentsPerMinute)
	a.enrolments = min(most, a.enrolments+now.Sub(a.refilled).Minutes()*most)
	a.refilled = now
	return a.enrolments
}

// sweep forgets addresses that have nothing open and all their enrolments again, and returns the connections that waited for too long.
func (p *places) sweep() (late []net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for addr, a := range p.byAddress {
		for len(a.queue) > 0 && p.now().Sub(a.queue[0].since) > waitLimit {
			late = append(late, a.queue[0].conn)
			a.queue = a.queue[1:]
			p.waiting--
			p.open--
			a.open--
		}
		if len(a.queue) == 0 && a.turn != nil {
			p.turns.Remove(a.turn)
			a.turn = nil
		}
		if a.open == 0 && p.refill(a) >= float64(p.limits.enrolmentsPerMinute) {
			delete(p.byAddress, addr)
		}
	}
	return late
}

// drain returns all waiting connections: the port stops.
func (p *places) drain() (all []net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.byAddress {
		for _, w := range a.queue {
			all = append(all, w.conn)
		}
		p.waiting -= len(a.queue)
		p.open -= len(a.queue)
		a.open -= len(a.queue)
		a.queue, a.turn = nil, nil
	}
	p.turns.Init()
	return all
}
