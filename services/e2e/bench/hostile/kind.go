package hostile

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"io"
	"net"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/e2e/bench/lockwire"
)

// drip is how long a slow peer takes for each byte.
const drip = time.Second

// Silent connects and says nothing, as the end of a line that is half open.
func Silent() Kind {
	return Kind{"silent", func(_ context.Context, _ int, conn net.Conn) { io.Copy(io.Discard, conn) }}
}

// SlowHello sends a true ClientHello, a byte a second.
func SlowHello() Kind {
	hello := clientHello()
	return Kind{"slow_hello", func(ctx context.Context, _ int, conn net.Conn) { dripping(ctx, conn, hello) }}
}

// SlowFrame makes a whole TLS handshake as a lock that enrols, which needs no certificate, and sends its frame a byte a second.
func SlowFrame() Kind {
	frame := append([]byte{0, 0, 32, 0, 1, byte(lockwirev1.FrameType_FRAME_TYPE_ENROLL_REQUEST)}, make([]byte, 8190)...)
	return Kind{"slow_frame", func(ctx context.Context, _ int, raw net.Conn) {
		conn := tls.Client(raw, stranger())
		if conn.HandshakeContext(ctx) == nil {
			dripping(ctx, conn, frame)
		}
	}}
}

// Junk makes a whole handshake too, sends a kilobyte that means nothing, and stays until it is thrown out and for ten seconds more: else its
// handshakes would be all that is measured.
func Junk() Kind {
	return Kind{"junk", func(ctx context.Context, _ int, raw net.Conn) {
		conn := tls.Client(raw, stranger())
		if conn.HandshakeContext(ctx) != nil {
			return
		}
		junk := make([]byte, 1024)
		rand.Read(junk)
		conn.Write(junk)
		io.Copy(io.Discard, conn)
		pause(ctx, 10*time.Second)
	}}
}

// Peer is a true lock's identity.
type Peer struct {
	Device string
	TLS    *tls.Config
}

const (
	// deafBurst is how much a deaf lock asks at once, within what a lock may send, deafEvery how often it asks afterwards.
	deafBurst = 300
	deafEvery = 500 * time.Millisecond
	// deafBuffer is its receive buffer, in bytes: what it does not read is soon the gateway's to keep.
	deafBuffer = 4 << 10
)

// DeafName is Deaf's.
const DeafName = "deaf"

// Deaf is a true lock that asks and never reads an answer.
func Deaf(peers []Peer, card *lockwirev1.Card) Kind {
	return Kind{DeafName, func(ctx context.Context, peer int, raw net.Conn) { ask(ctx, raw, peers[peer], card, false) }}
}

// Asking is a true lock that asks as much as Deaf and takes the answers: what there is to Deaf besides is what not reading costs.
func Asking(peers []Peer, card *lockwirev1.Card) Kind {
	return Kind{"asking", func(ctx context.Context, peer int, raw net.Conn) { ask(ctx, raw, peers[peer], card, true) }}
}

func ask(ctx context.Context, raw net.Conn, peer Peer, card *lockwirev1.Card, reads bool) {
	raw.(*net.TCPConn).SetReadBuffer(deafBuffer)
	lock, err := lockwire.Over(ctx, raw, peer.TLS)
	if err != nil || lock.Greet(peer.Device) != nil {
		return
	}
	if reads {
		read := make(chan struct{})
		go func() { defer close(read); io.Copy(io.Discard, raw) }()
		defer func() { raw.Close(); <-read }()
	}
	for n := 0; lock.Send(card) == nil; n++ {
		if n >= deafBurst && !pause(ctx, deafEvery) {
			return
		}
	}
}

func stranger() *tls.Config {
	// A hostile peer does not care who it talks to.
	return &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, ServerName: "gateway.cardea", NextProtos: []string{"cardea-enroll/1"}}
}

func dripping(ctx context.Context, conn io.Writer, bytes []byte) {
	for i := range bytes {
		if _, err := conn.Write(bytes[i : i+1]); err != nil || !pause(ctx, drip) {
			return
		}
	}
}

// clientHello is the first flight of a handshake.
func clientHello() []byte {
	client, server := net.Pipe()
	defer server.Close()
	go tls.Client(client, stranger()).Handshake()
	hello := make([]byte, 5)
	io.ReadFull(server, hello) // the record's header
	rest := make([]byte, int(hello[3])<<8|int(hello[4]))
	io.ReadFull(server, rest)
	return append(hello, rest...)
}
