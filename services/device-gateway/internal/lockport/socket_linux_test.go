package lockport

import (
	"context"
	"crypto/tls"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/device-gateway/internal/enroll"
)

// A peer that reads nothing has hardly more kept for it by the kernel than its own window takes.
func TestWhatAPeerDoesNotReadIsNotKept(t *testing.T) {
	const window = 4 << 10
	wrote := make(chan int, 1)
	o := newOpen(t, func(c *Config) { c.Sessions = pouring{c.Sessions, wrote} })
	dialer := net.Dialer{Timeout: 20 * time.Second, Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, window) })
		return err
	}}
	raw, err := dialer.Dial("tcp", o.address)
	must(t, err)
	defer raw.Close()
	conn := tls.Client(raw, o.lock())
	must(t, conn.Handshake())
	n := <-wrote
	t.Logf("%d bytes", n)
	if n > window+4*unsent {
		t.Errorf("the gateway could write %d bytes to a peer that reads nothing", n)
	}
}

// pouring writes to a lock until it cannot, and says how many bytes.
type pouring struct {
	Sessions
	wrote chan int
}

// Serve implements Sessions.
func (p pouring) Serve(_ context.Context, conn *tls.Conn, _ enroll.Identity) {
	defer conn.NetConn().Close()
	var wrote int
	for b := make([]byte, 256); ; {
		conn.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := conn.Write(b)
		if wrote += n; err != nil {
			p.wrote <- wrote
			return
		}
	}
}
