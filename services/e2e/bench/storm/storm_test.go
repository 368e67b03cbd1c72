package storm_test

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/e2e/bench/storm"
)

type client struct{ conn net.Conn }

func (c *client) Open(_ context.Context, conn net.Conn) error {
	c.conn = conn
	_, err := io.ReadFull(conn, make([]byte, 1))
	return err
}
func (c *client) Wait() error { _, err := c.conn.Read(make([]byte, 1)); return err }
func (c *client) Close()      { c.conn.Close() }

func TestAllAreBackAfterEachCutAndRefusalsAreCounted(t *testing.T) {
	network := storm.NewNetwork()
	served, addresses := make(chan struct{}), map[string]bool{}
	go func() {
		defer close(served)
		for n := 0; ; n++ {
			conn, err := network.Accept()
			if err != nil {
				return
			}
			if n == 0 {
				conn.Close() // refused once
				continue
			}
			addresses[conn.RemoteAddr().(*net.TCPAddr).IP.String()] = true
			go func() {
				conn.Read(make([]byte, 1)) // the client says nothing
				conn.Close()
			}()
			conn.Write([]byte{1})
		}
	}()
	clients := make([]storm.Client, 20)
	for i := range clients {
		clients[i] = new(client)
	}
	results, err := storm.Run(t.Context(), network, clients, 2, time.Minute)
	network.Close()
	<-served
	if err != nil || len(results) != 3 {
		t.Fatalf("%v, %v", results, err)
	}
	for i, want := range []int64{1, 0, 0} {
		if r := results[i]; r.Half <= 0 || r.Most < r.Half || r.All < r.Most || r.Refused != want {
			t.Errorf("%+v", r)
		}
	}
	if len(addresses) != len(clients) {
		t.Errorf("%d addresses of %d locks", len(addresses), len(clients))
	}
}
