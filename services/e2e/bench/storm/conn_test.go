package storm

import (
	"net"
	"testing"
	"time"

	"golang.org/x/net/nettest"
)

// Its connections are what the standard library asks of one.
func TestConnectionsInMemoryAreConnections(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		client, server := newConns(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 2), Port: 1})
		return client, server, func() { client.Close(); server.Close() }, nil
	})
}

func TestADeadConnectionGivesWhatWasWritten(t *testing.T) {
	client, server := newConns(&net.TCPAddr{})
	client.Write([]byte("last"))
	client.Close()
	b := make([]byte, 8)
	server.SetReadDeadline(time.Now().Add(time.Minute))
	if n, err := server.Read(b); n != 4 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if _, err := server.Write(b); err == nil {
		t.Fatal("written to nobody")
	}
}
