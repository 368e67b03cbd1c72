package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Common is what every service is told. A service's own Config embeds it with `yaml:",inline"`.
type Common struct {
	// Region is where this process runs; one of Regions.
	Region region.Name `yaml:"region"`
	// Regions are all regions of the deployment.
	Regions   map[region.Name]region.Spec `yaml:"regions"`
	Database  Database                    `yaml:"database"`
	NATS      NATS                        `yaml:"nats"`
	Mesh      Mesh                        `yaml:"mesh"`
	Telemetry Telemetry                   `yaml:"telemetry"`
	// Keys are the key-encryption keys, oldest first: of each purpose the last one seals, all of them open.
	Keys []Key `yaml:"keys,omitempty"`
}

// Database says where the service's own schema is.
type Database struct {
	// URL is for the service's role, e.g. `postgres://identity:...@127.0.0.1:5432/cardea`.
	URL URL `yaml:"url"`
	// MigrateURL is for the schema's owner; only `-migrate` uses it.
	MigrateURL URL `yaml:"migrate_url,omitempty"`
	// Engine is `postgres` or `cockroach`; empty: postgres.
	Engine string `yaml:"engine,omitempty"`
	// MaxConns bounds the pool; 0: 10.
	MaxConns int32 `yaml:"max_conns,omitempty"`
}

// NATS says where the region's broker is. Without certificate files the connection is plain (tests only).
type NATS struct {
	URL      string `yaml:"url"`
	CAFile   string `yaml:"ca_file,omitempty"`
	CertFile string `yaml:"cert_file,omitempty"`
	KeyFile  string `yaml:"key_file,omitempty"`
}

// Mesh is the service's place among the others.
type Mesh struct {
	// Listen is the address of the service's RPC server, `host:port`.
	Listen string `yaml:"listen"`
	// CAFile, CertFile and KeyFile are PEM files: the mesh's root, this service's certificate and its key.
	CAFile   string `yaml:"ca_file"`
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
	// Peers is the static directory: service, region, base URLs of the instances.
	Peers map[string]map[region.Name][]string `yaml:"peers,omitempty"`
	// PublicEndpoints are what a caller at the wrong border is told: region, service, URL.
	PublicEndpoints map[region.Name]map[string]string `yaml:"public_endpoints,omitempty"`
}

// Telemetry says where traces and logs go.
type Telemetry struct {
	// OTLPEndpoint is a `host:port` that takes OTLP over gRPC without TLS (an agent on the same host); empty: no export.
	OTLPEndpoint string `yaml:"otlp_endpoint,omitempty"`
	// LogLevel is debug, info, warn or error; empty: info.
	LogLevel string `yaml:"log_level,omitempty"`
}

// The purposes of a Key.
const (
	PurposePerson = "person" // wraps each person's own key
	PurposeState  = "state"  // wraps digest keys in the access state
	PurposeAnswer = "answer" // seals remembered answers of idempotent calls
)

// Key is a key-encryption key in a file of its own: 32 random bytes, base64.
type Key struct {
	ID      string `yaml:"id"`
	File    string `yaml:"file"`
	Purpose string `yaml:"purpose"`
}

// Read returns the key's 32 bytes.
func (k Key) Read() ([32]byte, error) {
	text, err := ReadSecretFile(k.File)
	if err != nil {
		return [32]byte{}, fmt.Errorf("key %s: %w", k.ID, err)
	}
	raw, err := base64.StdEncoding.DecodeString(text.Reveal())
	if err != nil || len(raw) != 32 {
		// The text of the decoding error could show a part of the key.
		return [32]byte{}, fmt.Errorf("key %s: %s must hold 32 bytes in base64", k.ID, k.File)
	}
	return [32]byte(raw), nil
}

// RegionMap returns the checked set of regions.
func (c Common) RegionMap() (*region.Map, error) { return region.NewMap(c.Regions) }

// Validate checks all that can be checked without opening anything; errors name the keys.
func (c Common) Validate() error {
	regions, err := region.NewMap(c.Regions)
	if err != nil {
		return err
	}
	_, err = regions.Lookup(c.Region)
	if err != nil {
		err = fmt.Errorf("region: %w", err)
	}
	return errors.Join(err, c.Database.Validate(), c.NATS.Validate(), c.Mesh.validate(regions), c.Telemetry.Validate(), validateKeys(c.Keys))
}

// Validate checks the engine's name and the bounds.
func (d Database) Validate() error {
	switch {
	case d.URL == "":
		return errors.New("database.url: must be set")
	case d.Engine != "" && d.Engine != "postgres" && d.Engine != "cockroach":
		return fmt.Errorf("database.engine: %q is neither postgres nor cockroach", d.Engine)
	case d.MaxConns < 0 || d.MaxConns > 1000:
		return fmt.Errorf("database.max_conns: %d is not within 0 to 1000", d.MaxConns)
	}
	return nil
}

// Validate checks that certificate files are given together.
func (n NATS) Validate() error {
	switch {
	case n.URL == "":
		return errors.New("nats.url: must be set")
	case (n.CertFile == "") != (n.KeyFile == ""):
		return errors.New("nats: cert_file and key_file go together")
	}
	return nil
}

func (m Mesh) validate(regions *region.Map) error {
	if _, port, err := net.SplitHostPort(m.Listen); err != nil || port == "" {
		return fmt.Errorf("mesh.listen: %q is not host:port", m.Listen)
	}
	if m.CAFile == "" || m.CertFile == "" || m.KeyFile == "" {
		return errors.New("mesh: ca_file, cert_file and key_file must be set")
	}
	for service, byRegion := range m.Peers {
		for name := range byRegion {
			if _, err := regions.Lookup(name); err != nil {
				return fmt.Errorf("mesh.peers.%s: %w", service, err)
			}
		}
	}
	for name := range m.PublicEndpoints {
		if _, err := regions.Lookup(name); err != nil {
			return fmt.Errorf("mesh.public_endpoints: %w", err)
		}
	}
	return nil
}

// Validate checks the log level.
func (t Telemetry) Validate() error {
	_, err := t.Level()
	return err
}

// Level returns the log level.
func (t Telemetry) Level() (slog.Level, error) {
	if t.LogLevel == "" {
		return slog.LevelInfo, nil
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(t.LogLevel)); err != nil {
		return 0, fmt.Errorf("telemetry.log_level: %q is none of debug, info, warn, error", t.LogLevel)
	}
	return level, nil
}

func validateKeys(keys []Key) error {
	seen := map[string]bool{}
	for i, k := range keys {
		switch {
		case k.ID == "" || k.File == "":
			return fmt.Errorf("keys[%d]: id and file must be set", i)
		case k.Purpose != PurposePerson && k.Purpose != PurposeState && k.Purpose != PurposeAnswer:
			return fmt.Errorf("keys[%d]: purpose %q is none of person, state, answer", i, k.Purpose)
		case seen[k.Purpose+"/"+k.ID]:
			return fmt.Errorf("keys[%d]: id %q is there twice", i, k.ID)
		}
		seen[k.Purpose+"/"+k.ID] = true
	}
	return nil
}
