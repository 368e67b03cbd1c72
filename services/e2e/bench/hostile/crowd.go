// Package hostile is peers that begin something at a gateway's port and do not end it, or end it with junk. Whatever they are thrown out for,
// they come back, so that as many stay attached as were asked for.
package hostile

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// perSource is how many peers share an address: behind each there is a building, as with true locks.
	perSource = 32
	// comeBack is how long a peer stays away at most after it was thrown out.
	comeBack = time.Second
	// attachTime is how long a crowd may take until all have been at the port.
	attachTime = 30 * time.Second
)

// Kind is what a peer does with a connection: it returns when there is no more to do.
type Kind struct {
	Name string
	Live func(ctx context.Context, peer int, conn net.Conn)
}

// Crowd is peers of one kind.
type Crowd struct {
	address  string
	kind     Kind
	attached atomic.Int64
	came     chan struct{} // one for each peer, at its first connection
	cancel   context.CancelFunc
	peers    sync.WaitGroup
}

// Attach connects so many peers and keeps them at it until Leave. It returns when each has connected once, or with an error.
func Attach(ctx context.Context, address string, kind Kind, n int) (*Crowd, error) {
	peers, cancel := context.WithCancel(ctx)
	c := &Crowd{address: address, kind: kind, came: make(chan struct{}, n), cancel: cancel}
	for i := range n {
		c.peers.Go(func() { c.live(peers, i) })
	}
	wait, stop := context.WithTimeout(ctx, attachTime)
	defer stop()
	for range n {
		select {
		case <-c.came:
		case <-wait.Done():
			c.Leave()
			return nil, wait.Err()
		}
	}
	return c, nil
}

// Attached is how many peers have a connection now.
func (c *Crowd) Attached() int { return int(c.attached.Load()) }

// Leave closes all connections.
func (c *Crowd) Leave() {
	c.cancel()
	c.peers.Wait()
}

func (c *Crowd) live(ctx context.Context, peer int) {
	came := sync.OnceFunc(func() { c.came <- struct{}{} })
	source := peer / perSource
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 200, byte(source>>8), byte(source)+1)}}
	for ctx.Err() == nil {
		conn, err := dialer.DialContext(ctx, "tcp", c.address)
		if err == nil {
			came()
			c.visit(ctx, peer, conn)
		}
		pause(ctx, rand.N(comeBack))
	}
}

func (c *Crowd) visit(ctx context.Context, peer int, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	c.attached.Add(1)
	defer c.attached.Add(-1)
	c.kind.Live(ctx, peer, conn)
}

// pause returns false when ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
