// Package porttest gives tests addresses that they may leave and come back to, e.g. of a server that is killed and started again.
package porttest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Systems take the ports of outgoing connections from above: 32768 (Linux) or 49152 (IANA).
const (
	lowest  = 15_000
	highest = 32_700
)

// Address is one on 127.0.0.1 at which nothing listens now. Its port is none that outgoing connections get: while nothing listens there
// no connection of another test takes it.
func Address(t testing.TB) string {
	t.Helper()
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", lowest+rand.N(highest-lowest))
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return address
	}
	t.Fatal("no free port between 15,000 and 32,700")
	return ""
}
