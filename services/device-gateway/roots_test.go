package gateway_test

import (
	"crypto/x509"
	"testing"
	"time"

	gateway "github.com/cardea-mesh/cardea/services/device-gateway"
	"github.com/cardea-mesh/cardea/services/platform/pki"
)

// A device root is replaced while locks are connected, as README.md says.
func TestARootIsReplaced(t *testing.T) {
	p := newPlace(t)
	old := p.root
	next, err := pki.NewRoot("next device root", time.Now().Add(24*365*time.Hour))
	p.must(err)
	dir := t.TempDir()
	r := p.start(dir)
	f := r.newFlash()
	between := newCable(t, r.locks)
	l, _ := p.powered(f, between.address)
	p.must(l.WaitOpen(p.soon()))
	again := func(signs, trusted *pki.Authority) {
		t.Helper()
		r.stop()
		since := p.nextSecond()
		p.root = signs
		r = p.start(dir, func(parts *gateway.Parts) {
			parts.RenewIssuedBefore = since
			if trusted != nil {
				parts.MoreRoots = []*x509.Certificate{trusted.Certificate()}
			}
		})
		between.point(r.locks)
	}
	again(old, next) // 1: the old root signs, locks learn the next one
	p.must(l.WaitRenewed(p.soon(), 1))
	if n := len(p.content(f).Roots); n != 2 {
		t.Fatalf("the lock has %d roots", n)
	}
	again(next, old) // 2: the next root signs, certificates of the old one are still taken
	p.must(l.WaitRenewed(p.soon(), 2))
	again(next, nil) // 3: the old root is gone
	p.must(l.WaitRenewed(p.soon(), 3))
	if roots := p.content(f).Roots; len(roots) != 1 || string(roots[0]) != string(next.Certificate().Raw) {
		t.Fatalf("the lock has %d roots", len(roots))
	}
	if got := l.Present(p.soon(), badge); !got.Granted {
		t.Fatalf("with the next root: %+v", got)
	}
}

// nextSecond is from when certificates that are made from now on hold, later than those made before: their times are whole seconds, dated
// back by five minutes.
func (p *place) nextSecond() time.Time {
	p.t.Helper()
	began := time.Now().Truncate(time.Second)
	p.eventually("the next second", func() bool { return time.Now().Truncate(time.Second).After(began) })
	return time.Now().Truncate(time.Second).Add(-5 * time.Minute)
}

// The neighbour's gateway renews with the home region's rows, and the home's gateway takes the new key.
func TestANeighboursGatewayRenews(t *testing.T) {
	p := newPlaces(t)
	at, beside := p.startIn(home, ""), p.startIn(neighbour, "")
	f := at.newFlash()
	before := p.content(f)
	between := newCable(t, beside.locks)
	l, _ := p.powered(f, between.address)
	p.must(l.WaitOpen(p.soon()))
	p.must(l.Renew())
	p.expectRenewed(l, f, before)
	between.point(at.locks)
	beside.stop()
	p.eventually("the home's gateway serves it", func() bool { return l.Present(p.soon(), badge).Granted })
}
