package cluster

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"gopkg.in/yaml.v3"
)

// fields is a piece of a configuration file. The services' own types are not used here: the runner writes what an operator
// would write, and the services' strict decoding is part of what is tried.
type fields = map[string]any

// configFile is where a service's configuration is.
func (c *Cluster) configFile(r region.Name, s service) string {
	return c.layout.region(r, s.name, "config.yaml")
}

func (c *Cluster) writeConfigs() error {
	for _, r := range c.regions.All() {
		for _, s := range services {
			if err := c.writeConfig(r, s); err != nil {
				return fmt.Errorf("configuration of %s in %s: %w", s.name, r.Name, err)
			}
		}
	}
	return nil
}

func (c *Cluster) writeConfig(r region.Region, s service) error {
	cert, key := c.certFiles(r.Name, s.name)
	config := fields{
		"region":   r.Name,
		"regions":  regions,
		"database": c.databaseConfig(r.Jurisdiction, s),
		"nats": fields{
			"url": c.brokerURL(r.Name), "ca_file": c.CAFile(), "cert_file": cert, "key_file": key,
		},
		"mesh": fields{
			"listen":  c.ports.addr(r.Name, s.name),
			"ca_file": c.CAFile(), "cert_file": cert, "key_file": key,
			"peers":            c.peers(),
			"public_endpoints": c.publicEndpoints(),
		},
		"telemetry": fields{"otlp_endpoint": c.options.OTLPEndpoint, "log_level": "info"},
		"keys":      c.keyConfig(r.Jurisdiction, s),
	}
	switch s.name {
	case "identity":
		config["operators"] = []fields{{"name": operatorName, "key_sha256": c.operator.hash}}
	case "device-gateway":
		maps.Copy(config, c.gatewayConfig(r))
	}
	text, err := yaml.Marshal(config)
	if err != nil {
		return err
	}
	return writeSecret(c.configFile(r.Name, s), text)
}

// gatewayConfig is what only a gateway is told: where locks dial, here and at the neighbours, and who signs for them.
func (c *Cluster) gatewayConfig(r region.Region) fields {
	endpoints := fields{}
	for _, other := range c.regions.In(r.Jurisdiction) {
		endpoints[string(other.Name)] = c.LockEndpoint(other.Name)
	}
	return fields{
		"state_dir": c.layout.region(r.Name, "device-gateway", "state"),
		"locks": fields{
			"listen":       c.LockEndpoint(r.Name),
			"endpoints":    endpoints,
			"ca_cert_file": c.layout.jurisdiction(r.Jurisdiction, "devices", "ca.pem"),
			"ca_key_file":  c.layout.jurisdiction(r.Jurisdiction, "devices", "ca.key"),
			// All locks of this machine have one address, and benches enrol them by the thousand.
			"max_connections_per_address": 100_000,
			"max_enrolments_per_address":  1_000_000,
		},
	}
}

// peers is the static discovery: every instance of every service.
func (c *Cluster) peers() fields {
	all := fields{}
	for _, s := range services {
		byRegion := fields{}
		for _, r := range c.regions.All() {
			byRegion[string(r.Name)] = []string{c.URL(s.name, r.Name)}
		}
		all[s.name] = byRegion
	}
	return all
}

// publicEndpoints are what a refusal at a border tells the caller.
func (c *Cluster) publicEndpoints() fields {
	all := fields{}
	for _, r := range c.regions.All() {
		byService := fields{}
		for _, s := range services {
			byService[s.name] = c.URL(s.name, r.Name)
		}
		all[string(r.Name)] = byService
	}
	return all
}

// keyConfig names the jurisdiction's key files for the purposes of a service.
func (c *Cluster) keyConfig(j region.Jurisdiction, s service) []fields {
	var keys []fields
	for _, purpose := range s.keys {
		keys = append(keys, fields{
			"id": keyID(j, purpose), "purpose": purpose, "file": c.layout.jurisdiction(j, "keys", purpose),
		})
	}
	return keys
}

func keyID(j region.Jurisdiction, purpose string) string { return fmt.Sprintf("%s-%s-1", j, purpose) }

// writeKeys makes the jurisdictions' keys, where they are not there yet.
func (c *Cluster) writeKeys() error {
	for _, j := range c.jurisdictions() {
		for _, purpose := range []string{"person", "state", "answer"} {
			secret := make([]byte, 32)
			rand.Read(secret) // never fails
			path := c.layout.jurisdiction(j, "keys", purpose)
			if err := writeSecret(path, []byte(base64.StdEncoding.EncodeToString(secret)+"\n")); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeSecret writes a file that only its owner reads, in a folder made for it.
func writeSecret(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}
