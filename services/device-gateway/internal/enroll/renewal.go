package enroll

import "github.com/cardea-mesh/cardea/services/platform/region"

// Renewal is a certificate request in a session of an enrolled device.
type Renewal struct {
	Device, Org region.ID
	// KeyHash is that of the key that opened the session.
	KeyHash []byte
	Request Request
}
