package enroll

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/pki"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Identity is what a device's certificate says.
type Identity struct {
	Device, Org region.ID
	KeyHash     []byte
	// NotBefore is shortly before the certificate was made, NotAfter its end.
	NotBefore, NotAfter time.Time
}

// IdentityOf reads a verified device certificate.
func IdentityOf(cert *x509.Certificate, regions *region.Map) (Identity, error) {
	device, org, err := pki.DeviceOf(cert)
	if err != nil {
		return Identity{}, fmt.Errorf("device certificate: %w", err)
	}
	hash := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	id := Identity{KeyHash: hash[:], NotBefore: cert.NotBefore, NotAfter: cert.NotAfter}
	if id.Device, err = regions.Parse(device, region.Device); err != nil {
		return Identity{}, fmt.Errorf("device certificate: %w", err)
	}
	if id.Org, err = regions.Parse(org, region.Organization); err != nil {
		return Identity{}, fmt.Errorf("device certificate: %w", err)
	}
	return id, nil
}
