package locksim

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
)

// ErrWrongRoot: the server did not show the root that the claim code names; the secret was not sent.
var ErrWrongRoot = errors.New("the server's chain has no certificate with the claim code's fingerprint")

// serverName is the name that every gateway's certificate has.
const serverName = "gateway.cardea"

// Enroll exchanges a claim code for an identity and keeps it in the store. Errors: ErrWrongRoot, or a *ProtocolError
// with what the gateway said.
func Enroll(ctx context.Context, store Store, gateway, claimCode string) (deviceID string, err error) {
	return EnrollVia(ctx, new(net.Dialer).DialContext, store, gateway, claimCode)
}

// EnrollVia is Enroll over connections that dial opens.
func EnrollVia(ctx context.Context, dial Dialer, store Store, gateway, claimCode string) (deviceID string, err error) {
	secret, fingerprint, ok := strings.Cut(claimCode, ".")
	want, err := base64.RawURLEncoding.DecodeString(fingerprint)
	if !ok || err != nil || len(want) != sha256.Size {
		return "", errors.New("a claim code is <secret>.<fingerprint>")
	}
	f, err := load(store)
	if err != nil {
		return "", err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "lock"}}, key)
	if err != nil {
		return "", err
	}
	response, err := exchange(ctx, dial, gateway, want, &lockwirev1.EnrollRequest{ClaimSecret: secret, CertificateRequest: csr})
	if err != nil {
		return "", err
	}
	if err := checkResponse(response, key, want); err != nil {
		return "", err
	}
	if f.Key, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
		return "", err
	}
	f.DeviceID, f.Chain, f.Roots, f.Bootstrap = response.GetDeviceId(), response.GetCertificateChain(), response.GetRoots(), gateway
	f.Endpoints = endpoints(response.GetEndpoints())
	f.Rings, f.Commands, f.Next = nil, nil, nil
	return f.DeviceID, f.save(store, new(sync.Mutex))
}

// exchange is the whole conversation of enrolment.
func exchange(ctx context.Context, dial Dialer, gateway string, fingerprint []byte, request *lockwirev1.EnrollRequest) (*lockwirev1.EnrollResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	raw, err := dial(ctx, "tcp", gateway)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{wire.ALPNEnroll}, ServerName: serverName,
		// The trusted root comes with the chain, so the usual verification cannot be used; verifyPinned does all of it.
		InsecureSkipVerify: true,
		VerifyConnection:   func(s tls.ConnectionState) error { return verifyPinned(s.PeerCertificates, fingerprint) },
	})
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	if err := wire.NewWriter(conn).Write(request); err != nil {
		return nil, err
	}
	m, err := wire.NewReader(conn, wire.Limits{}).Next()
	if err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	switch m := m.(type) {
	case *lockwirev1.EnrollResponse:
		return m, nil
	case *lockwirev1.Error:
		return nil, wireError(m)
	default:
		return nil, fmt.Errorf("enrol: the gateway answered with %T", m)
	}
}

// verifyPinned finds the root by its fingerprint and verifies the leaf with it alone.
func verifyPinned(chain []*x509.Certificate, fingerprint []byte) error {
	for _, cert := range chain {
		if hash := sha256.Sum256(cert.Raw); bytes.Equal(hash[:], fingerprint) {
			roots := x509.NewCertPool()
			roots.AddCert(cert)
			_, err := chain[0].Verify(x509.VerifyOptions{DNSName: serverName, Roots: roots, Intermediates: pool(chain[1:])})
			return err
		}
	}
	return ErrWrongRoot
}

// checkResponse: the certificate has our key, and the root is the one of the claim code.
func checkResponse(r *lockwirev1.EnrollResponse, key *ecdsa.PrivateKey, fingerprint []byte) error {
	leaf, err := x509.ParseCertificate(r.GetCertificateChain()[0])
	if err != nil {
		return fmt.Errorf("enrol: %w", err)
	}
	if !key.PublicKey.Equal(leaf.PublicKey) {
		return errors.New("enrol: the certificate has another key")
	}
	for _, der := range r.GetRoots() {
		if hash := sha256.Sum256(der); bytes.Equal(hash[:], fingerprint) {
			return nil
		}
	}
	return ErrWrongRoot
}

func pool(certs []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certs {
		p.AddCert(c)
	}
	return p
}

func endpoints(list []*lockwirev1.Endpoint) []string {
	var out []string
	for _, e := range list {
		out = append(out, net.JoinHostPort(e.GetHost(), strconv.Itoa(int(e.GetPort()))))
	}
	return out
}
