package journal

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// dropper stands between a client and a broker and loses single messages, as a leader that changes does: what is sent behind a
// lost one gets through.
type dropper struct {
	broker string

	mu sync.Mutex
	// lose says whether a message is lost; to is true on the way to the broker. It is called for each message, one at a time.
	lose func(to bool, header, message string) bool
}

// drop listens until the test ends and returns the URL for clients.
func drop(t *testing.T, broker string, lose func(to bool, header, message string) bool) string {
	t.Helper()
	d := &dropper{broker: strings.TrimPrefix(broker, "nats://"), lose: lose}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { d.serve(client) })
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return "nats://" + l.Addr().String()
}

func (d *dropper) serve(client net.Conn) {
	defer client.Close()
	broker, err := net.Dial("tcp", d.broker)
	if err != nil {
		return
	}
	defer broker.Close()
	var both sync.WaitGroup
	for _, way := range []struct {
		from, to net.Conn
		up       bool
	}{{client, broker, true}, {broker, client, false}} {
		both.Go(func() {
			d.pass(way.from, way.to, way.up)
			client.Close()
			broker.Close()
		})
	}
	both.Wait()
}

// pass reads the protocol of NATS: lines, and behind those of messages as many bytes as their last word says.
func (d *dropper) pass(from io.Reader, to io.Writer, up bool) {
	r := bufio.NewReader(from)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Fields(line)
		if len(words) > 0 && strings.Contains("PUB HPUB MSG HMSG", words[0]) {
			size, err := strconv.Atoi(words[len(words)-1])
			if err != nil {
				return
			}
			message := make([]byte, size+len("\r\n"))
			if _, err := io.ReadFull(r, message); err != nil {
				return
			}
			d.mu.Lock()
			lost := d.lose(up, line, string(message))
			d.mu.Unlock()
			if lost {
				continue
			}
			line += string(message)
		}
		if _, err := fmt.Fprint(to, line); err != nil {
			return
		}
	}
}
