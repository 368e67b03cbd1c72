package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// ServiceLifetime is how long a service's certificate is valid.
const ServiceLifetime = 90 * 24 * time.Hour

// Pair is a certificate and its key, both PEM.
type Pair struct {
	CertPEM, KeyPEM []byte
}

// TLS returns the pair as crypto/tls wants it.
func (p Pair) TLS() (tls.Certificate, error) {
	cert, err := tls.X509KeyPair(p.CertPEM, p.KeyPEM)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate and key: %w", err)
	}
	return cert, nil
}

// IssueService makes a certificate for a service of the mesh: client and server, with its SPIFFE name, and for 127.0.0.1,
// ::1 and localhost, which is where development runs.
func (a *Authority) IssueService(j region.Jurisdiction, r region.Name, service string) (Pair, error) {
	return a.IssueServiceFor(j, r, service, ServiceLifetime)
}

// IssueServiceFor is IssueService with a lifetime; one that is over makes an expired certificate, which tests need.
func (a *Authority) IssueServiceFor(j region.Jurisdiction, r region.Name, service string, lifetime time.Duration) (Pair, error) {
	return a.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: service},
		URIs:        []*url.URL{ServiceURI(j, r, service)},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, lifetime)
}

// IssueServer makes a certificate for host names and addresses, server only.
func (a *Authority) IssueServer(hosts ...string) (Pair, error) {
	if len(hosts) == 0 {
		return Pair{}, errors.New("issue server certificate: no host")
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: hosts[0]},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return a.issue(template, ServiceLifetime)
}

func (a *Authority) issue(template *x509.Certificate, lifetime time.Duration) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("make key: %w", err)
	}
	now := time.Now()
	template.NotBefore, template.NotAfter = now.Add(-skew), now.Add(lifetime)
	if lifetime < 0 {
		template.NotBefore = template.NotAfter.Add(-time.Hour)
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := a.sign(template, key.Public())
	if err != nil {
		return Pair{}, err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{CertPEM: encodeCert(der), KeyPEM: keyPEM}, nil
}

// SignDevice certifies an enrolling lock: client only, named spiffe://cardea/device/<device id>, with its organization as
// the subject's O. Of the request only the key counts, which must be on P-256 and have signed it; every name in it is ignored.
func (a *Authority) SignDevice(csr *x509.CertificateRequest, deviceID, orgID string, ttl time.Duration) (der []byte, err error) {
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	public, ok := csr.PublicKey.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return nil, errors.New("certificate request: the key must be ECDSA on P-256")
	}
	now := time.Now()
	return a.sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: deviceID, Organization: []string{orgID}},
		URIs:        []*url.URL{DeviceURI(deviceID)},
		NotBefore:   now.Add(-skew),
		NotAfter:    now.Add(ttl),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, public)
}
