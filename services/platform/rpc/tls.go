package rpc

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/pki"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Identity is a process's certificate in the mesh and the roots that it trusts there.
type Identity struct {
	Certificate tls.Certificate
	Roots       *x509.CertPool
}

// LoadIdentity reads the files that configuration names.
func LoadIdentity(cfg config.Mesh) (Identity, error) {
	cert, err := tls.LoadX509KeyPair(cfg.CertFile, cfg.KeyFile)
	if err != nil {
		return Identity{}, fmt.Errorf("mesh certificate: %w", err)
	}
	ca, err := os.ReadFile(cfg.CAFile)
	if err != nil {
		return Identity{}, fmt.Errorf("mesh root: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return Identity{}, fmt.Errorf("mesh root: %s has no certificate", cfg.CAFile)
	}
	return Identity{Certificate: cert, Roots: roots}, nil
}

// Server is the TLS configuration of a server: strangers may come without a certificate, but one that is shown must be good.
func (i Identity) Server() *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{i.Certificate},
		ClientAuth:   tls.VerifyClientCertIfGiven,
		ClientCAs:    i.Roots,
		NextProtos:   []string{"h2", "http/1.1"},
	}
}

// ErrWrongPeer means that a server's certificate is good but names somebody else.
var ErrWrongPeer = errors.New("the server is not who was called")

// client is the TLS configuration for a call to a service in a region: its SPIFFE name counts, not its host's name.
func (i Identity) client(service string, r region.Region) *tls.Config {
	want := pki.ServiceName{Jurisdiction: r.Jurisdiction, Region: r.Name, Service: service}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{i.Certificate},
		NextProtos:   []string{"h2", "http/1.1"},
		// The standard check is of host names; VerifyConnection does the rest of it and checks the SPIFFE name instead.
		InsecureSkipVerify: true, //nolint:gosec // see above
		VerifyConnection: func(state tls.ConnectionState) error {
			return verifyPeer(state, i.Roots, want)
		},
	}
}

func verifyPeer(state tls.ConnectionState, roots *x509.CertPool, want pki.ServiceName) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the server shows no certificate")
	}
	options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, cert := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(cert)
	}
	if _, err := state.PeerCertificates[0].Verify(options); err != nil {
		return err
	}
	name, err := pki.ServiceOf(state.PeerCertificates[0])
	if err != nil {
		return err
	}
	if name != want {
		return fmt.Errorf("%w: wanted %s, found %s", ErrWrongPeer, want, name)
	}
	return nil
}
