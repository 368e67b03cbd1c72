package pki

import (
	"crypto/x509"
	"errors"
	"net/url"
	"strings"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// trustDomain is the authority part of every SPIFFE name of the deployment.
const trustDomain = "cardea"

// ErrNoName means that a certificate has no SPIFFE name of the wanted form.
var ErrNoName = errors.New("certificate without a SPIFFE name of this mesh")

// ServiceName is who a service is.
type ServiceName struct {
	Jurisdiction region.Jurisdiction
	Region       region.Name
	Service      string
}

// String is the SPIFFE URI.
func (n ServiceName) String() string { return ServiceURI(n.Jurisdiction, n.Region, n.Service).String() }

// ServiceURI is the SPIFFE name of a service.
func ServiceURI(j region.Jurisdiction, r region.Name, service string) *url.URL {
	return &url.URL{Scheme: "spiffe", Host: trustDomain, Path: "/" + string(j) + "/" + string(r) + "/" + service}
}

// DeviceURI is the SPIFFE name of a device.
func DeviceURI(deviceID string) *url.URL {
	return &url.URL{Scheme: "spiffe", Host: trustDomain, Path: "/device/" + deviceID}
}

// ServiceOf reads the service's name from a certificate that was verified before. It must have exactly one URI.
func ServiceOf(cert *x509.Certificate) (ServiceName, error) {
	parts, err := path(cert)
	if err != nil || len(parts) != 3 {
		return ServiceName{}, ErrNoName
	}
	return ServiceName{region.Jurisdiction(parts[0]), region.Name(parts[1]), parts[2]}, nil
}

// DeviceOf reads the device's and its organization's ids from a certificate that was verified before.
func DeviceOf(cert *x509.Certificate) (deviceID, orgID string, err error) {
	parts, err := path(cert)
	if err != nil || len(parts) != 2 || parts[0] != "device" || len(cert.Subject.Organization) != 1 {
		return "", "", ErrNoName
	}
	return parts[1], cert.Subject.Organization[0], nil
}

// ParseServiceName reads a SPIFFE URI of a service.
func ParseServiceName(uri string) (ServiceName, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return ServiceName{}, ErrNoName
	}
	return ServiceOf(&x509.Certificate{URIs: []*url.URL{u}})
}

func path(cert *x509.Certificate) ([]string, error) {
	if len(cert.URIs) != 1 {
		return nil, ErrNoName // SPIFFE: exactly one
	}
	u := cert.URIs[0]
	if u.Scheme != "spiffe" || u.Host != trustDomain || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, ErrNoName
	}
	parts := strings.Split(strings.TrimPrefix(u.Path, "/"), "/")
	for _, part := range parts {
		if part == "" || part == "." || part == ".." {
			return nil, ErrNoName
		}
	}
	return parts, nil
}
