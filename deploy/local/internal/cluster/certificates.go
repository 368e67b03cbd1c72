package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/pki"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// rootLifetime is how long a local authority lives; a new run makes new ones.
const rootLifetime = 365 * 24 * time.Hour

// authorities signs for the cluster: one for the mesh, and for the locks one a jurisdiction.
type authorities struct {
	mesh    *pki.Authority
	devices map[region.Jurisdiction]*pki.Authority
}

func (c *Cluster) makeAuthorities() error {
	var err error
	if c.authorities.mesh, err = newAuthority("Cardea local mesh", c.layout.mesh()); err != nil {
		return err
	}
	c.authorities.devices = map[region.Jurisdiction]*pki.Authority{}
	for _, j := range c.jurisdictions() {
		a, err := newAuthority(fmt.Sprintf("Cardea local locks %s", j), c.layout.jurisdiction(j, "devices"))
		if err != nil {
			return err
		}
		c.authorities.devices[j] = a
	}
	return nil
}

func newAuthority(name, dir string) (*pki.Authority, error) {
	a, err := pki.NewRoot(name, time.Now().Add(rootLifetime))
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return a, a.Save(dir)
}

// issue writes a mesh certificate for a program in a region; certFiles says where.
func (c *Cluster) issue(r region.Region, program string) error {
	pair, err := c.authorities.mesh.IssueService(r.Jurisdiction, r.Name, program)
	if err != nil {
		return fmt.Errorf("certificate of %s in %s: %w", program, r.Name, err)
	}
	cert, key := c.certFiles(r.Name, program)
	return writePair(pair, cert, key)
}

func (c *Cluster) certFiles(r region.Name, program string) (cert, key string) {
	return c.layout.region(r, program, "tls", "cert.pem"), c.layout.region(r, program, "tls", "key.pem")
}

func writePair(pair pki.Pair, cert, key string) error {
	if err := os.MkdirAll(filepath.Dir(cert), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(cert, pair.CertPEM, 0o644); err != nil {
		return err
	}
	return writeSecret(key, pair.KeyPEM)
}
