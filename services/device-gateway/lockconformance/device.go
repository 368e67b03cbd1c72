package lockconformance

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// device is one of the locks that a gatewayRun plays.
type device struct {
	name      string
	secret    string // of its claim code
	key, next *ecdsa.PrivateKey
	cert      tls.Certificate
	roots     *x509.CertPool
	// epoch is the newest boot epoch that was used: checks that send events have one each.
	epoch uint64
	begun *begun
}

// adopt makes a certificate the device's own; key is the one that it was asked for.
func (d *device) adopt(key *ecdsa.PrivateKey, chain, roots [][]byte) error {
	pool := x509.NewCertPool()
	for _, der := range roots {
		root, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		pool.AddCert(root)
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return err
	}
	if public, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || !public.Equal(&key.PublicKey) {
		return errors.New("the certificate has another key than was asked for")
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		return fmt.Errorf("the certificate is not of the roots that came with it: %w", err)
	}
	d.key, d.next, d.roots, d.cert = key, nil, pool, tls.Certificate{Certificate: chain, PrivateKey: key}
	return nil
}

// hello is the Hello of a new boot.
func (d *device) hello() *lockwirev1.Hello {
	d.epoch++
	return &lockwirev1.Hello{
		DeviceId: d.name, Firmware: "conformance", Model: "conformance", BootEpoch: d.epoch, Versions: []uint32{1},
		LockTimeMs: nowMS(), ClockQuality: lockwirev1.ClockQuality_CLOCK_QUALITY_SYNCHRONIZED,
	}
}

// A device may begin so many sessions at once, and one more each second (R-RATE-2).
const (
	sessionsAtOnce = 60
	sessionEach    = time.Second
)

// begun counts the sessions of a device as a gateway does, so that the kit stays within the limit that it has to keep.
type begun struct {
	left float64
	at   time.Time
}

// refill is how many sessions may begin now.
func (b *begun) refill(now time.Time) float64 {
	if b.at.IsZero() {
		// One less than are allowed: this clock begins before the gateway's does.
		b.left = sessionsAtOnce - 1
	} else {
		b.left = min(sessionsAtOnce-1, b.left+float64(now.Sub(b.at))/float64(sessionEach))
	}
	b.at = now
	return b.left
}

// take takes one of the beginnings; wait: it has to be waited for so long, and is then taken.
func (b *begun) take(now time.Time) (wait time.Duration) {
	if left := b.refill(now); left < 1 {
		wait = time.Duration((1 - left) * float64(sessionEach))
	}
	b.left--
	return wait
}

// spend is what a gateway's OVER_LIMIT means: there are none left.
func (b *begun) spend(now time.Time) {
	b.refill(now)
	b.left = min(b.left, 0)
}
