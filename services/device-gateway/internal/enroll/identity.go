package enroll

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Identity is what a device's certificate says.
type Identity struct {
	Device, Org region.ID
	KeyHash     []byte
	// IssuedAt is about when the certificate was made.
	IssuedAt time.Time
}

const (
	devicePrefix = "cardea:device:"
	orgPrefix    = "cardea:org:"
)

func deviceURI(id region.ID) *url.URL { return &url.URL{Scheme: "urn", Opaque: devicePrefix + string(id)} }
func orgURI(id region.ID) *url.URL    { return &url.URL{Scheme: "urn", Opaque: orgPrefix + string(id)} }

// IdentityOf reads a verified device certificate.
func IdentityOf(cert *x509.Certificate, regions *region.Map) (Identity, error) {
	id := Identity{KeyHash: KeyHash(cert), IssuedAt: cert.NotBefore.Add(skew)}
	for _, u := range cert.URIs {
		var err error
		if device, ok := strings.CutPrefix(u.Opaque, devicePrefix); ok && u.Scheme == "urn" {
			id.Device, err = regions.Parse(device, region.Device)
		}
		if org, ok := strings.CutPrefix(u.Opaque, orgPrefix); ok && u.Scheme == "urn" {
			id.Org, err = regions.Parse(org, region.Organization)
		}
		if err != nil {
			return Identity{}, fmt.Errorf("device certificate: %w", err)
		}
	}
	if id.Device == "" || id.Org == "" {
		return Identity{}, fmt.Errorf("device certificate of %q names no device or no organization", cert.Subject.CommonName)
	}
	return id, nil
}
