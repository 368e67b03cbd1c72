package storm

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// mostUnread is how much one direction of a connection holds before its writer waits, as a small socket buffer does.
const mostUnread = 64 << 10

// listener is the address of all servers' ends.
var listener = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7443}

// conn is one end of a connection in memory. Idle, it holds no buffer.
type conn struct {
	in, out       *stream
	local, remote net.Addr
}

func newConns(from net.Addr) (client, server *conn) {
	up, down := newStream(), newStream()
	return &conn{in: down, out: up, local: from, remote: listener}, &conn{in: up, out: down, local: listener, remote: from}
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) { return c.in.read(b) }

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) { return c.out.write(b) }

// Close implements net.Conn. What was written before can still be read.
func (c *conn) Close() error {
	c.in.close(true)
	c.out.close(false)
	return nil
}

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error { c.in.reading.set(c.in, t); return nil }

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error { c.out.writing.set(c.out, t); return nil }

// stream is one direction.
type stream struct {
	mu      sync.Mutex // guards what follows
	changed sync.Cond
	unread  []byte
	// ended: its writer has closed; dropped: its reader has.
	ended, dropped   bool
	wanted           chan struct{} // closed when the reader reads or closes first
	once             sync.Once
	reading, writing deadline
}

func newStream() *stream {
	s := &stream{wanted: make(chan struct{})}
	s.changed.L = &s.mu
	return s
}

func (s *stream) read(b []byte) (int, error) {
	s.once.Do(func() { close(s.wanted) })
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.dropped:
			return 0, net.ErrClosed
		case s.reading.over():
			return 0, os.ErrDeadlineExceeded
		case len(s.unread) > 0:
			n := copy(b, s.unread)
			if s.unread = s.unread[n:]; len(s.unread) == 0 {
				s.unread = nil
			}
			s.changed.Broadcast()
			return n, nil
		case s.ended:
			return 0, io.EOF
		case len(b) == 0:
			return 0, nil
		}
		s.changed.Wait()
	}
}

func (s *stream) write(b []byte) (written int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch room := mostUnread - len(s.unread); {
		case s.ended:
			return written, net.ErrClosed
		case s.dropped:
			return written, io.ErrClosedPipe
		case s.writing.over():
			return written, os.ErrDeadlineExceeded
		case len(b) == 0:
			return written, nil
		case room > 0:
			n := min(room, len(b))
			s.unread = append(s.unread, b[:n]...)
			written, b = written+n, b[n:]
			s.changed.Broadcast()
			continue
		}
		s.changed.Wait()
	}
}

func (s *stream) close(byReader bool) {
	s.once.Do(func() { close(s.wanted) })
	s.mu.Lock()
	defer s.mu.Unlock()
	if byReader {
		s.dropped, s.unread = true, nil
	} else {
		s.ended = true
	}
	s.changed.Broadcast()
}

// deadline is one side's of a stream, guarded by the stream's mu.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

// over says whether it has passed.
func (d *deadline) over() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (d *deadline) set(s *stream, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.at = at
	if d.timer != nil {
		d.timer.Stop()
	}
	switch wait := time.Until(at); {
	case at.IsZero():
	case wait <= 0:
		s.changed.Broadcast()
	case d.timer == nil:
		d.timer = time.AfterFunc(wait, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.changed.Broadcast()
		})
	default:
		d.timer.Reset(wait)
	}
}
