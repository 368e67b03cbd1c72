package session_test

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
)

func TestALockGoesBackToItsFirstEndpoint(t *testing.T) {
	p := newPlace(t)
	reserved, err := net.Listen("tcp", "127.0.0.1:0")
	p.must(err)
	first := reserved.Addr().String()
	reserved.Close() // nobody is there yet
	l := p.openLock(func(c *locksim.Config) {
		c.Endpoints, c.HomeEvery = []string{first, p.address}, 20*time.Millisecond
	})
	home, err := net.Listen("tcp", first)
	p.must(err)
	through := forward(t, home, p.address)
	select {
	case <-through:
	case <-p.soon().Done():
		t.Fatalf("the lock stays where it is: %v", l.LastError())
	}
	p.must(l.WaitOpen(p.soon()))
	if got := l.Present(p.soon(), badge); !got.Granted {
		t.Fatalf("%+v", got)
	}
}

// forward passes connections on, and says when one got an answer: a look alone does not.
func forward(t *testing.T, l net.Listener, to string) <-chan struct{} {
	through := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			context.AfterFunc(ctx, func() { in.Close(); out.Close() })
			go func() { io.Copy(out, in); out.Close() }()
			go func() {
				defer in.Close()
				if _, err := io.CopyN(in, out, 1); err != nil {
					return
				}
				select {
				case through <- struct{}{}:
				default:
				}
				io.Copy(in, out)
			}()
		}
	}()
	return through
}
