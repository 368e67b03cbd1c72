package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"
)

// errUplinkCut: the script keeps the lock away from the network.
var errUplinkCut = errors.New("the uplink is cut")

// maxSources is how many addresses 127.1.0.0 to 127.254.255.255 has room for.
const maxSources = 254 << 16

// sourceOf is the loopback address of source i: 127.1.0.1 and on, so that 127.0.0.1 stays free for servers.
func sourceOf(i int) netip.Addr {
	i++
	return netip.AddrFrom4([4]byte{127, byte(1 + i>>16), byte(i >> 8), byte(i)})
}

// uplink is a lock's way to the network, which a script can cut. It is safe for concurrent use.
type uplink struct {
	dialer net.Dialer

	mu    sync.Mutex
	away  bool    // nothing gets through
	conns []*wire // open ones; one, but while a lock looks for its first endpoint
}

// newUplink dials from an address; the zero one leaves the choice to the system.
func newUplink(source netip.Addr) *uplink {
	u := new(uplink)
	if source.IsValid() {
		u.dialer.LocalAddr = &net.TCPAddr{IP: source.AsSlice()}
	}
	return u
}

// dial implements locksim.Dialer.
func (u *uplink) dial(ctx context.Context, network, address string) (net.Conn, error) {
	u.mu.Lock()
	away := u.away
	u.mu.Unlock()
	if away {
		return nil, errUplinkCut
	}
	raw, err := u.dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w := &wire{Conn: raw, link: u}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.away {
		raw.Close()
		return nil, errUplinkCut
	}
	u.conns = append(u.conns, w)
	return w, nil
}

// cut ends the connection without a word, and refuses others until restore.
func (u *uplink) cut() {
	for _, w := range u.set(true) {
		w.reset()
	}
}

// drop ends the connection without a word; the next may come at once.
func (u *uplink) drop() {
	u.cut()
	u.restore()
}

// dropDead ends what is half open.
func (u *uplink) dropDead() {
	u.mu.Lock()
	conns := slices.Clone(u.conns)
	u.mu.Unlock()
	for _, w := range conns {
		if w.isDead() {
			w.reset()
		}
	}
}

func (u *uplink) restore() { u.set(false) }

func (u *uplink) isAway() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.away
}

func (u *uplink) set(away bool) []*wire {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.away = away
	return slices.Clone(u.conns)
}

func (u *uplink) forget(w *wire) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.conns = slices.DeleteFunc(u.conns, func(c *wire) bool { return c == w })
}

// halfOpen lets nothing through the present connection any more, in neither direction, though neither end is told. The
// gateway's end stays open until lifted is called.
func (u *uplink) halfOpen() (lifted func()) {
	u.mu.Lock()
	conns := slices.Clone(u.conns)
	u.mu.Unlock()
	for _, w := range conns {
		w.mu.Lock()
		w.dead = true
		w.mu.Unlock()
	}
	return func() {
		for _, w := range conns {
			w.Conn.Close()
		}
	}
}

// wire is a connection that can go dead: then what is written is gone, and nothing is read before the deadline.
type wire struct {
	net.Conn
	link   *uplink
	mu     sync.Mutex
	dead   bool
	closed bool
}

// reset closes at once, with a TCP reset.
func (w *wire) reset() {
	if tcp, ok := w.Conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	w.Conn.Close()
}

func (w *wire) isDead() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dead
}

// Read swallows what comes after the connection went dead; the reader's deadline ends it.
func (w *wire) Read(b []byte) (int, error) {
	for {
		n, err := w.Conn.Read(b)
		w.mu.Lock()
		dead, closed := w.dead, w.closed
		w.mu.Unlock()
		switch {
		case closed:
			return 0, net.ErrClosed
		case !dead:
			return n, err
		case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
			return 0, fmt.Errorf("half-open connection: %w", os.ErrDeadlineExceeded)
		case err != nil:
			return 0, err
		}
	}
}

// Write implements net.Conn.
func (w *wire) Write(b []byte) (int, error) {
	if w.isDead() {
		return len(b), nil
	}
	return w.Conn.Write(b)
}

// Close implements net.Conn. A dead connection's other end does not hear of it.
func (w *wire) Close() error {
	w.mu.Lock()
	dead := w.dead
	w.closed = true
	w.mu.Unlock()
	w.link.forget(w)
	if dead {
		return w.Conn.SetDeadline(time.Unix(1, 0)) // wakes the reader
	}
	return w.Conn.Close()
}
