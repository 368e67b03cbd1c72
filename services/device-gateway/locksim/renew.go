package locksim

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

// capabilityCertificate is what both sides name that renew certificates.
const capabilityCertificate = "certificate"

// nextKey is a key that is to take the other's place. It is in flash before it is asked for, so that a lost answer is asked
// for again with the same key, and both keys stay there until a session was opened with this one.
type nextKey struct {
	Key   []byte   `json:"key"`   // PKCS #8, DER
	Chain [][]byte `json:"chain"` // DER; none yet: no answer came
}

// errSwitch ends a session that the old key opened: the next one is opened with the new key.
var errSwitch = errors.New("there is a certificate with another key")

// renewal is the part of a Lock that renews its certificate; the lock's mu guards it.
type renewal struct {
	// cert is of flash.Next; nil: there is none that can be dialled with.
	cert *tls.Certificate
	// held: the new key was refused, and the old one is tried next.
	held bool
	// switched: a session was ended to switch; the next switch waits for a session that ends by itself.
	switched bool
	// renewed counts the new keys that opened a session.
	renewed int
}

// loadNext makes ready to dial with the new key that flash has, if any.
func (l *Lock) loadNext() error {
	l.renewal.cert = nil
	next := l.flash.Next
	if next == nil || len(next.Chain) == 0 {
		return nil
	}
	key, err := x509.ParsePKCS8PrivateKey(next.Key)
	if err != nil {
		return fmt.Errorf("lock's next key: %w", err)
	}
	l.renewal.cert = &tls.Certificate{Certificate: next.Chain, PrivateKey: key}
	return nil
}

// credentials are what to dial with: the new key, once there is a certificate for it and it was not just refused.
func (l *Lock) credentials() (cert tls.Certificate, roots *x509.CertPool, next bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.renewal.cert != nil && !l.renewal.held {
		return *l.renewal.cert, l.roots, true
	}
	l.renewal.held = false
	return l.cert, l.roots, false
}

// nextFailed is told why no session could be opened with the new key. When the gateway does not take the key, the old one is tried next,
// and not only after the hour of one that is refused for good.
func (l *Lock) nextFailed(err error) error {
	var said *ProtocolError
	var alert *net.OpError
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case errors.As(err, &said) && (said.Code == lockwirev1.ErrorCode_ERROR_CODE_DEVICE_REFUSED || said.Code == lockwirev1.ErrorCode_ERROR_CODE_IDENTITY_MISMATCH):
		l.renewal.held = true
		return fmt.Errorf("with the new key: %s", err.Error())
	case errors.As(err, &said) && said.Code == lockwirev1.ErrorCode_ERROR_CODE_UNAVAILABLE,
		errors.As(err, &alert) && alert.Op == "remote error": // a TLS alert
		l.renewal.held = true
	}
	return err
}

// nextWorked makes the new key the only one. mu is held.
func (l *Lock) nextWorked() {
	l.flash.Key, l.flash.Chain, l.flash.Next = l.flash.Next.Key, l.flash.Next.Chain, nil
	l.cert = *l.renewal.cert
	l.renewal = renewal{renewed: l.renewal.renewed + 1}
}

// renewSoon asks for a certificate when Welcome says so, or when an earlier request had no answer. A session that the old key
// opened, since the new one was refused, ends after a while to try the new one again.
func (k *link) renewSoon() {
	k.lock.mu.Lock()
	if k.lock.renewal.cert != nil {
		k.timers = append(k.timers, time.AfterFunc(k.lock.cfg.SwitchWait, k.switchNow))
	}
	wanted := k.welcome.GetRenewCertificate() || k.lock.flash.Next != nil && len(k.lock.flash.Next.Chain) == 0
	k.lock.mu.Unlock()
	if wanted {
		if err := k.renew(); err != nil {
			k.end(err)
		}
	}
}

// Renew makes a new key and asks the gateway for a certificate with it, in the open session; the lock goes over to it by itself.
// It returns when the request was sent.
func (l *Lock) Renew() error {
	l.mu.Lock()
	k := l.link
	l.mu.Unlock()
	if k == nil {
		return errors.New("there is no open session")
	}
	return k.renew()
}

// Renewed is how many new keys opened a session in this boot.
func (l *Lock) Renewed() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.renewal.renewed
}

// WaitRenewed waits until a new key has opened a session, n times in this boot.
func (l *Lock) WaitRenewed(ctx context.Context, n int) error {
	return l.await(ctx, "a session with a new key", func() bool { return l.renewal.renewed >= n && l.link != nil })
}

// renew sends a CertificateRequest, unless one is under way or the gateway does not renew.
func (k *link) renew() error {
	if !slices.Contains(k.welcome.GetCapabilities(), capabilityCertificate) {
		return nil
	}
	csr, err := k.lock.nextRequest()
	if err != nil {
		return err
	}
	_, err = k.writeNext(func() proto.Message {
		if k.over != nil || k.renewing != 0 {
			return nil
		}
		k.requestID++
		k.renewing = k.requestID
		return &lockwirev1.CertificateRequest{RequestId: k.requestID, CertificateRequest: csr}
	})
	return err
}

// nextRequest is the certificate request for the new key, which it makes and keeps in flash if there is none.
func (l *Lock) nextRequest() ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flash.Next == nil {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
		l.flash.Next = &nextKey{Key: der}
		l.save()
	}
	key, err := x509.ParsePKCS8PrivateKey(l.flash.Next.Key)
	if err != nil {
		return nil, err
	}
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "lock"}}, key)
}

// certificate keeps what the gateway signed, and ends the session as soon as nobody waits for an answer.
func (k *link) certificate(m *lockwirev1.Certificate) error {
	l := k.lock
	l.mu.Lock()
	defer l.mu.Unlock()
	if m.GetRequestId() != k.renewing || l.flash.Next == nil {
		return nil
	}
	k.renewing = 0
	roots, err := l.cfg.Shared.pool(m.GetRoots())
	if err != nil {
		return fmt.Errorf("roots of a renewal: %w", err)
	}
	if err := checkRenewed(m.GetCertificateChain(), l.flash.Next.Key, roots); err != nil {
		return err
	}
	l.flash.Next.Chain, l.flash.Roots, l.roots = m.GetCertificateChain(), m.GetRoots(), roots
	if err := l.loadNext(); err != nil {
		return err
	}
	l.save()
	if l.renewal.switched {
		return nil
	}
	l.renewal.switched, k.switching = true, true
	return k.switchIfIdle()
}

// switchIfIdle is errSwitch when the session is to be ended and no decision is waited for. mu is held.
func (k *link) switchIfIdle() error {
	if k.switching && len(k.answers) == 0 {
		return errSwitch
	}
	return nil
}

// switchNow ends the session, or lets the last answer do it.
func (k *link) switchNow() {
	k.lock.mu.Lock()
	k.switching = true
	err := k.switchIfIdle()
	k.lock.mu.Unlock()
	if err != nil {
		k.end(err)
	}
}

// checkRenewed: the certificate has the new key and is of one of the roots.
func checkRenewed(chain [][]byte, nextKey []byte, roots *x509.CertPool) error {
	if len(chain) == 0 {
		return errors.New("renewal: no certificate")
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return fmt.Errorf("renewal: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(nextKey)
	if err != nil {
		return fmt.Errorf("renewal: %w", err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(leaf.PublicKey) {
		return errors.New("renewal: the certificate has another key")
	}
	// Its dates are the gateway's business: the lock's clock may be off.
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: leaf.NotBefore, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err
}

// renewalRefused says whether an Error answers the certificate request, and does what it says.
func (k *link) renewalRefused(m *lockwirev1.Error) bool {
	k.lock.mu.Lock()
	defer k.lock.mu.Unlock()
	if k.renewing == 0 || m.GetRequestId() != k.renewing {
		return false
	}
	k.renewing = 0
	switch m.GetCode() {
	case lockwirev1.ErrorCode_ERROR_CODE_UNAVAILABLE:
		wait := max(time.Duration(m.GetRetryAfterMs())*time.Millisecond, time.Second)
		k.timers = append(k.timers, time.AfterFunc(wait, func() {
			if err := k.renew(); err != nil {
				k.end(err)
			}
		}))
	case lockwirev1.ErrorCode_ERROR_CODE_BAD_CERTIFICATE_REQUEST:
		k.lock.flash.Next = nil // a fault of firmware; another key may do better, at the next session
		k.lock.save()
	default:
		return false
	}
	return true
}
