// Package storm lets many locks lose their gateway at the same moment and measures how long it takes until all are back.
//
// A process may have fewer open files than a gateway has locks (20,000 on some machines), so the connections are in memory: a
// buffer each way instead of a socket, and everything from TLS on as ever. What the kernel's TCP costs is in neither side's
// figure.
//
// Locks compute on processors of their own; these take the gateway's. What they compute for an attempt that the gateway never begins
// would be in the gateway's figure, so a client begins when the server first reads from its connection: its hello is late by as much as it takes,
// and never made in vain.
package storm

import (
	"context"
	"net"
	"sync"
)

// backlog is how many connections wait to be accepted before Dial does, as at a socket.
const backlog = 4096

// Network is a listener and the connections to it. It is safe for concurrent use.
type Network struct {
	queue  chan net.Conn
	closed chan struct{}
	once   sync.Once

	mu   sync.Mutex
	open map[net.Conn]struct{} // guarded by mu; the server's ends
}

// NewNetwork has no connections.
func NewNetwork() *Network {
	return &Network{queue: make(chan net.Conn, backlog), closed: make(chan struct{}), open: map[net.Conn]struct{}{}}
}

// end is the server's end of a connection.
type end struct {
	*conn
	network *Network
}

// Close implements net.Conn.
func (e *end) Close() error {
	e.network.mu.Lock()
	delete(e.network.open, e)
	e.network.mu.Unlock()
	return e.conn.Close()
}

// Dial connects, and returns when the server reads from the connection or has closed it. The index tells the address that the server sees, one for each lock: limits are by address.
func (n *Network) Dial(ctx context.Context, index int) (net.Conn, error) {
	from := &net.TCPAddr{IP: net.IPv4(127, byte(index>>16), byte(index>>8), byte(index)), Port: 40_000}
	client, server := newConns(from)
	select {
	case n.queue <- &end{conn: server, network: n}:
	case <-n.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case <-server.in.wanted:
		return client, nil
	case <-ctx.Done():
		client.Close()
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (n *Network) Accept() (net.Conn, error) {
	select {
	case c := <-n.queue:
		n.mu.Lock()
		n.open[c] = struct{}{}
		n.mu.Unlock()
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener.
func (n *Network) Addr() net.Addr { return listener }

// Close implements net.Listener.
func (n *Network) Close() error {
	n.once.Do(func() { close(n.closed) })
	return nil
}

// Cut ends all accepted connections at once, as a cut line does: nobody says goodbye.
func (n *Network) Cut() {
	n.mu.Lock()
	all := n.open
	n.open = map[net.Conn]struct{}{}
	n.mu.Unlock()
	for c := range all {
		c.(*end).conn.Close()
	}
}
