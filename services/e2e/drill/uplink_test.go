package drill_test

import (
	"net"
	"sync"
	"testing"
)

// mode is how a line is.
type mode int

const (
	whole  mode = iota
	silent      // what was sent is on its way, for as long as it takes
	cut         // connections end, new ones are refused
)

// exchange is where all lines of a world pass, so that a change of any is seen by all.
type exchange struct {
	mu      sync.Mutex
	changed *sync.Cond
}

func newExchange() *exchange {
	x := new(exchange)
	x.changed = sync.NewCond(&x.mu)
	return x
}

// set changes a mode that lines look at.
func (x *exchange) set(m *mode, to mode) {
	x.mu.Lock()
	defer x.mu.Unlock()
	*m = to
	x.changed.Broadcast()
}

// line is a lock's way to the gateway of one region: a proxy that follows its worst mode. What is held back while it is silent
// arrives late when it is whole again.
type line struct {
	x        *exchange
	listener net.Listener
	target   string
	modes    []*mode
}

// lay lays a line to an address; it goes with the test.
func (x *exchange) lay(t testing.TB, target string, modes ...*mode) *line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{x: x, listener: listener, target: target, modes: modes}
	go l.serve()
	return l
}

func (l *line) close() { l.listener.Close() }

func (l *line) address() string { return l.listener.Addr().String() }

// now is the worst mode; called with mu held.
func (l *line) now() (worst mode) {
	for _, m := range l.modes {
		worst = max(worst, *m)
	}
	return worst
}

func (l *line) serve() {
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			return
		}
		go l.carry(conn)
	}
}

// carry joins a lock's connection with its gateway until either ends or the line is cut.
func (l *line) carry(lock net.Conn) {
	defer lock.Close()
	if !l.wait() {
		return
	}
	gateway, err := net.Dial("tcp", l.target)
	if err != nil {
		return
	}
	defer gateway.Close()
	ended := make(chan struct{})
	go func() { // a cut ends what neither side ends
		l.x.mu.Lock()
		defer l.x.mu.Unlock()
		for l.now() != cut {
			select {
			case <-ended:
				return
			default:
				l.x.changed.Wait()
			}
		}
		lock.Close()
		gateway.Close()
	}()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{lock, gateway}, {gateway, lock}} {
		both.Go(func() {
			l.copy(way[1], way[0])
			lock.Close()
			gateway.Close()
		})
	}
	both.Wait()
	close(ended)
	l.x.mu.Lock()
	l.x.changed.Broadcast()
	l.x.mu.Unlock()
}

func (l *line) copy(to, from net.Conn) {
	buffer := make([]byte, 1<<15)
	for {
		n, err := from.Read(buffer)
		if err != nil || !l.wait() {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// wait returns when the line is not silent; false: it is cut.
func (l *line) wait() bool {
	l.x.mu.Lock()
	defer l.x.mu.Unlock()
	for l.now() == silent {
		l.x.changed.Wait()
	}
	return l.now() == whole
}
