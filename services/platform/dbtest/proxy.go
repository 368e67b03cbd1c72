package dbtest

import (
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// Proxy stands between a test and its database, to lose connections at will and to slow them down.
type Proxy struct {
	listener net.Listener
	network  string // of the server
	address  string

	mu      sync.Mutex // guards what follows
	down    bool
	open    map[net.Conn]bool // both ends of each connection
	tap     Tap
	dropped bool // the tap has cut a connection
	delay   time.Duration
	tasks   sync.WaitGroup
}

// Tap sees every piece of bytes that clients send and may replace it; drop cuts the connection after what it returned
// was sent to the server, and before anything comes back. From then on the proxy loses requests to cancel a query as well:
// pgx sends one for a connection that it lost, and it would end a commit that the tap let pass.
type Tap func(sent []byte) (pass []byte, drop bool)

// NewProxy forwards to the server of databaseURL, a URL of a Database.
func NewProxy(t testing.TB, databaseURL string) (proxy *Proxy, proxiedURL string) {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: l, network: "tcp", address: u.Host, open: map[net.Conn]bool{}}
	query := u.Query()
	if dir := query.Get("host"); dir != "" {
		p.network, p.address = "unix", dir+"/.s.PGSQL."+query.Get("port")
		query.Del("host")
		query.Del("port")
	}
	u.Host, u.RawQuery = l.Addr().String(), query.Encode()
	p.tasks.Go(p.accept)
	t.Cleanup(p.close)
	return p, u.String()
}

// Cut closes all connections and refuses new ones until Restore: the database is down.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = true
	for c := range p.open {
		c.Close()
	}
}

// Restore lets new connections through.
func (p *Proxy) Restore() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
}

// SetTap lets tap see what clients send from now on; nil: nothing.
func (p *Proxy) SetTap(tap Tap) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tap = tap
}

// SetDelay lets every piece of what the server answers arrive that much later: the database is slow. From now on, also on
// the connections that are open.
func (p *Proxy) SetDelay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

func (p *Proxy) close() {
	p.Cut()
	p.listener.Close()
	p.tasks.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial(p.network, p.address)
		if err != nil || !p.keep(client, server) {
			client.Close()
			continue
		}
		p.tasks.Go(func() { p.forward(client, server) })
		p.tasks.Go(func() { p.copyBack(client, server) })
	}
}

func (p *Proxy) keep(client, server net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		server.Close()
		return false
	}
	p.open[client], p.open[server] = true, true
	return true
}

func (p *Proxy) forward(client, server net.Conn) {
	defer p.end(client, server)
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		pass, drop := p.see(buf[:n])
		if drop {
			client.Close() // first: nothing may come back
		}
		if _, err := server.Write(pass); err != nil || drop {
			return
		}
	}
}

func (p *Proxy) see(sent []byte) ([]byte, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dropped && isCancel(sent) {
		return nil, true
	}
	if p.tap == nil {
		return sent, false
	}
	pass, drop := p.tap(sent)
	p.dropped = p.dropped || drop
	return pass, drop
}

// isCancel knows a CancelRequest, which comes on a connection of its own: its length and the code 80877102 in front
// (PostgreSQL's documentation, chapter Message Formats).
func isCancel(sent []byte) bool {
	return len(sent) >= 8 && binary.BigEndian.Uint32(sent) == uint32(len(sent)) && binary.BigEndian.Uint32(sent[4:]) == 80877102
}

func (p *Proxy) copyBack(client, server net.Conn) {
	defer p.end(client, server)
	io.Copy(late{client, p}, server)
}

// late writes after the proxy's delay.
type late struct {
	net.Conn
	p *Proxy
}

func (l late) Write(b []byte) (int, error) {
	l.p.mu.Lock()
	delay := l.p.delay
	l.p.mu.Unlock()
	time.Sleep(delay) // stands for the slow server, nobody waits for it as a sign of anything
	return l.Conn.Write(b)
}

func (p *Proxy) end(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		c.Close()
		delete(p.open, c)
	}
}
