package lockconformance

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// toRenew is a session whose Welcome says that a certificate should be asked for, and the request that came.
func (l *lockRun) toRenew(ctx context.Context) (*peer, *lockwirev1.CertificateRequest, error) {
	p, err := l.greeted(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := l.can("certificate"); err != nil {
		p.send(welcome())
		p.bye()
		return nil, nil, err
	}
	w := welcome()
	w.Capabilities, w.RenewCertificate = []string{"certificate"}, true
	if err := p.send(w); err != nil {
		return nil, nil, err
	}
	r, err := l.renewalAsked(p)
	if err != nil {
		p.bye()
	}
	return p, r, err
}

func (l *lockRun) renewalAsked(p *peer) (*lockwirev1.CertificateRequest, error) {
	b := newInbox(p, true)
	var request *lockwirev1.CertificateRequest
	if err := b.until(p.patience, func(m any) (ok bool, _ error) {
		request, ok = m.(*lockwirev1.CertificateRequest)
		return ok, nil
	}); err != nil {
		return nil, fmt.Errorf("no CertificateRequest: %w", err)
	}
	return request, nil
}

// certified answers a request with a certificate.
func (l *lockRun) certified(p *peer, r *lockwirev1.CertificateRequest) (der []byte, err error) {
	csr, err := x509.ParseCertificateRequest(r.GetCertificateRequest())
	if err != nil {
		return nil, err
	}
	if der, err = l.root.SignDevice(csr, deviceID, "organization_conformance", 24*time.Hour); err != nil {
		return nil, err
	}
	return der, p.send(&lockwirev1.Certificate{RequestId: r.GetRequestId(), CertificateChain: [][]byte{der}, Roots: [][]byte{l.root.Certificate().Raw}})
}

// shown is the certificate with which a session was opened.
func shown(p *peer) []byte { return p.conn.ConnectionState().PeerCertificates[0].Raw }

// lockRenews: asked by Welcome, the lock asks for a certificate, and opens a session with it.
func lockRenews(ctx context.Context, l *lockRun) error {
	p, request, err := l.toRenew(ctx)
	if err != nil {
		return err
	}
	defer p.cut()
	der, err := l.certified(p, request)
	if err != nil {
		return err
	}
	if err := p.ends(); err != nil {
		return fmt.Errorf("with a new certificate %w", err)
	}
	p.cut()
	next, err := l.session(ctx, func(*lockwirev1.Welcome) {})
	if err != nil {
		return err
	}
	defer next.bye()
	if !bytes.Equal(shown(next), der) {
		return errors.New("the next session is opened with the old key")
	}
	return nil
}

// sameKeyAgain: an answer that was lost is asked for again, in the next session and with the same key.
func sameKeyAgain(ctx context.Context, l *lockRun) error {
	p, request, err := l.toRenew(ctx)
	if err != nil {
		return err
	}
	p.cut()
	again, second, err := l.toRenew(ctx)
	if err != nil {
		return err
	}
	defer again.cut()
	a, errA := x509.ParseCertificateRequest(request.GetCertificateRequest())
	b, errB := x509.ParseCertificateRequest(second.GetCertificateRequest())
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	if !bytes.Equal(a.RawSubjectPublicKeyInfo, b.RawSubjectPublicKeyInfo) {
		return errors.New("after a lost answer it asks with another key")
	}
	// So that it is not left waiting for the next rule.
	if _, err := l.certified(again, second); err != nil {
		return err
	}
	return again.ends()
}

// refusedRenewal: an Error for the request leaves the session open.
func refusedRenewal(ctx context.Context, l *lockRun) error {
	p, request, err := l.toRenew(ctx)
	if err != nil {
		return err
	}
	defer p.bye()
	no := &lockwirev1.Error{Code: lockwirev1.ErrorCode_ERROR_CODE_UNAVAILABLE, RequestId: request.GetRequestId(), RetryAfterMs: 1000}
	began := time.Now()
	if err := p.send(no); err != nil {
		return err
	}
	if err := newInbox(p, true).ready(); err != nil {
		return fmt.Errorf("after UNAVAILABLE: %w", ended(err))
	}
	again, err := l.renewalAsked(p)
	if errors.Is(err, errNothing) {
		return remark("it does not ask again in this session, which is allowed")
	}
	if err != nil {
		return ended(err)
	}
	if took := time.Since(began); took < 950*time.Millisecond {
		return fmt.Errorf("it asks again after %s, where 1 s was asked for", took)
	}
	if _, err := l.certified(p, again); err != nil {
		return err
	}
	return p.ends()
}

// oldKeyStays: while the new key is refused the lock comes with the old one, and with the new one when that session ends.
func oldKeyStays(ctx context.Context, l *lockRun) error {
	p, request, err := l.toRenew(ctx)
	if err != nil {
		return err
	}
	defer p.cut()
	old := shown(p)
	der, err := l.certified(p, request)
	if err != nil {
		return err
	}
	if err := p.ends(); err != nil {
		return err
	}
	refused, err := l.greeted(ctx)
	if err != nil {
		return err
	}
	if !bytes.Equal(shown(refused), der) {
		refused.cut()
		return errors.New("it does not come with the new key")
	}
	err = refused.send(&lockwirev1.Error{Code: lockwirev1.ErrorCode_ERROR_CODE_DEVICE_REFUSED, Text: "this gateway has not heard of the new key"})
	refused.close()
	if err != nil {
		return err
	}
	for i, want := range [][]byte{old, der} {
		next, err := l.session(ctx, func(*lockwirev1.Welcome) {})
		if err != nil {
			return err
		}
		got := shown(next)
		err = newInbox(next, true).ready()
		next.bye()
		if err != nil {
			return err
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("session %d after the new key was refused is opened with the wrong one", i+1)
		}
	}
	return nil
}
