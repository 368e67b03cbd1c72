package enroll

import (
	"crypto/tls"
	"time"

	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundle"
)

// BundleSigner makes a signer of what locks may decide alone: a new key, certified by the root for 90 days at a time.
func (a *Authority) BundleSigner(now func() time.Time) (*bundle.Signer, error) {
	return bundle.NewSigner(func() (tls.Certificate, error) {
		pair, err := a.root.IssueServer(bundle.SignerName)
		if err != nil {
			return tls.Certificate{}, err
		}
		return pair.TLS()
	}, now)
}
