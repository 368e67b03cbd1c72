// Package storm lets many locks lose their gateway at the same moment and measures how long it takes until all are back.
//
// A process may have fewer open files than a gateway has locks (20,000 on some machines), so the connections are in memory: a
// buffer each way instead of a socket, and everything from TLS on as ever. What the kernel's TCP costs is in neither side's
// figure.
package storm

import (
	"context"
	"net"
	"sync"

	"google.golang.org/grpc/test/bufconn"
)

// bufferSize of each direction of a connection: more than a handshake's largest flight.
const bufferSize = 8 << 10

// Network is a listener and the connections to it.
type Network struct {
	*bufconn.Listener

	mu   sync.Mutex
	open map[net.Conn]struct{} // guarded by mu; the server's ends
}

// NewNetwork has no connections.
func NewNetwork() *Network {
	return &Network{Listener: bufconn.Listen(bufferSize), open: map[net.Conn]struct{}{}}
}

// end is an end of a connection. It has an address as those in a building's network have: limits are by address.
type end struct {
	net.Conn
	from    net.Addr
	network *Network
}

// RemoteAddr implements net.Conn.
func (e *end) RemoteAddr() net.Addr { return e.from }

// Close implements net.Conn.
func (e *end) Close() error {
	e.network.mu.Lock()
	delete(e.network.open, e)
	e.network.mu.Unlock()
	return e.Conn.Close()
}

// Dial connects; the index tells the address that the server sees. The first byte carries it over.
func (n *Network) Dial(ctx context.Context, index int) (net.Conn, error) {
	conn, err := n.Listener.DialContext(ctx)
	if err != nil {
		return nil, err
	}
	_, err = conn.Write([]byte{byte(index >> 16), byte(index >> 8), byte(index)})
	return conn, err
}

// Accept implements net.Listener.
func (n *Network) Accept() (net.Conn, error) {
	conn, err := n.Listener.Accept()
	if err != nil {
		return nil, err
	}
	var index [3]byte
	for read := 0; read < len(index); { // it was written right after the connection was made
		k, err := conn.Read(index[read:])
		if err != nil {
			return nil, err
		}
		read += k
	}
	e := &end{Conn: conn, from: &net.TCPAddr{IP: net.IPv4(127, index[0], index[1], index[2]), Port: 40_000}, network: n}
	n.mu.Lock()
	n.open[e] = struct{}{}
	n.mu.Unlock()
	return e, nil
}

// Cut ends all connections at once, as a cut line does: nobody says goodbye.
func (n *Network) Cut() {
	n.mu.Lock()
	all := n.open
	n.open = map[net.Conn]struct{}{}
	n.mu.Unlock()
	for conn := range all {
		conn.(*end).Conn.Close()
	}
}
