package hostile_test

import (
	"bytes"
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/e2e/bench/hostile"
)

// A peer that is thrown out comes back, and Leave takes all away.
func TestACrowdStaysUntilItLeaves(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const peers = 40
	var mu sync.Mutex
	from := map[string]int{}
	again := make(chan struct{})
	go func() {
		for n := 1; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			from[conn.RemoteAddr().(*net.TCPAddr).IP.String()]++
			mu.Unlock()
			if n <= 3 {
				conn.Close()
			}
			if n == peers+3 {
				close(again)
			}
		}
	}()
	crowd, err := hostile.Attach(t.Context(), l.Addr().String(), hostile.Silent(), peers)
	if err != nil {
		t.Fatal(err)
	}
	<-again
	mu.Lock()
	if len(from) != 2 {
		t.Errorf("they come from %v", from)
	}
	mu.Unlock()
	crowd.Leave()
	if n := crowd.Attached(); n != 0 {
		t.Errorf("%d are left", n)
	}
}

func TestASlowHelloIsABeginning(t *testing.T) {
	client, server := net.Pipe()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go hostile.SlowHello().Live(ctx, 0, client)
	b := make([]byte, 2)
	for i := range b {
		if _, err := server.Read(b[i : i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(b, []byte{22, 3}) {
		t.Fatalf("% x is no handshake", b)
	}
	server.Close()
}
