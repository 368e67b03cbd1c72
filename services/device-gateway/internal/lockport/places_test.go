package lockport

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

// line is a connection that is told from others.
type line struct {
	net.Conn
	name string
}

func testPlaces(l limits) (*places, *time.Time) {
	now := time.Now()
	return newPlaces(l, func() time.Time { return now }), &now
}

var (
	a = netip.MustParseAddr("127.0.0.1")
	b = netip.MustParseAddr("127.0.0.2")
	c = netip.MustParseAddr("127.0.0.3")
)

func TestAddressesTakeTurns(t *testing.T) {
	p, _ := testPlaces(limits{connections: 100, connectionsPerAddress: 100, handshakes: 2, handshakesPerAddress: 2, waiting: 100, enrolmentsPerMinute: 1})
	for i, want := range []verdict{begin, begin, queued, queued, queued} {
		if got := p.enter(a, line{name: "a"}); got != want {
			t.Fatalf("connection %d: %d", i, got)
		}
	}
	if p.enter(b, line{name: "b"}) != queued || p.enter(c, line{name: "c"}) != queued {
		t.Fatal("beyond max_handshakes")
	}
	var order string
	at := a
	for range 5 {
		next, _, _ := p.known(at)
		order, at = order+next.conn.(line).name, next.from
	}
	if order != "bcaaa" && order != "abcaa" {
		t.Fatalf("the turns were %s", order)
	}
}

func TestAnAddressIsCrowdedByItsOwn(t *testing.T) {
	p, _ := testPlaces(limits{connections: 100, connectionsPerAddress: 100, handshakes: 100, handshakesPerAddress: 4, waiting: 100, enrolmentsPerMinute: 1})
	for n, want := range []bool{false, false, true} {
		p.enter(a, line{})
		if got := p.crowded(a); got != want {
			t.Fatalf("%d of 4 places: %v", n+1, got)
		}
	}
	if p.crowded(b) {
		t.Fatal("another address has its own places")
	}
	p.known(a)
	if p.crowded(a) {
		t.Fatal("2 of 4 places are half of them")
	}
}

func TestConnectionsAreBoundedInAllAndPerAddress(t *testing.T) {
	p, _ := testPlaces(limits{connections: 3, connectionsPerAddress: 2, handshakes: 9, handshakesPerAddress: 9, waiting: 9, enrolmentsPerMinute: 1})
	for i, c := range []struct {
		from netip.Addr
		want verdict
	}{{a, begin}, {a, begin}, {a, refused}, {b, begin}, {c, refused}} {
		if got := p.enter(c.from, line{}); got != c.want {
			t.Fatalf("connection %d: %d", i, got)
		}
	}
	p.known(a)
	p.leave(a)
	if p.enter(c, line{}) != begin {
		t.Fatal("a place that was given back is not taken")
	}
}

func TestTheQueueIsBoundedAndDoesNotKeepTheLate(t *testing.T) {
	p, now := testPlaces(limits{connections: 9, connectionsPerAddress: 9, handshakes: 1, handshakesPerAddress: 1, waiting: 2, enrolmentsPerMinute: 1})
	for i, want := range []verdict{begin, queued, queued, refused} {
		if got := p.enter(a, line{}); got != want {
			t.Fatalf("connection %d: %d", i, got)
		}
	}
	*now = now.Add(waitLimit + time.Second)
	if late := p.sweep(); len(late) != 2 {
		t.Fatalf("%d are closed", len(late))
	}
	p.known(a)
	p.leave(a)
	if len(p.byAddress) != 0 || p.open != 0 || p.waiting != 0 || p.handshakes != 0 || p.turns.Len() != 0 {
		t.Fatalf("%+v is left", p)
	}
}

func TestAnAddressWithAllItsHandshakesComesBackInLine(t *testing.T) {
	p, _ := testPlaces(limits{connections: 9, connectionsPerAddress: 9, handshakes: 5, handshakesPerAddress: 1, waiting: 9, enrolmentsPerMinute: 1})
	if p.enter(a, line{}) != begin || p.enter(a, line{name: "second"}) != queued || p.enter(b, line{}) != begin {
		t.Fatal("the limit per address")
	}
	if _, any, _ := p.known(b); any {
		t.Fatal("over the limit per address")
	}
	if next, any, _ := p.known(a); !any || next.conn.(line).name != "second" {
		t.Fatal("the second one was forgotten")
	}
}

func TestEnrolmentsAreBoundedPerMinute(t *testing.T) {
	p, now := testPlaces(limits{connections: 9, connectionsPerAddress: 9, handshakes: 9, handshakesPerAddress: 9, enrolmentsPerMinute: 2})
	p.enter(a, line{})
	p.enter(b, line{})
	if p.enrolment(a) != 0 || p.enrolment(a) != 0 {
		t.Fatal("the first two")
	}
	if wait := p.enrolment(a); wait <= 0 || wait > 31*time.Second {
		t.Fatalf("the third waits %s", wait)
	}
	if p.enrolment(b) != 0 {
		t.Fatal("another address")
	}
	p.known(a)
	p.leave(a)
	if p.enter(a, line{}); p.enrolment(a) == 0 {
		t.Fatal("a new connection has new enrolments")
	}
	*now = now.Add(time.Minute)
	if p.enrolment(a) != 0 {
		t.Fatal("a minute later")
	}
}
