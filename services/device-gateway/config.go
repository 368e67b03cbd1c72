package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/lockendpoint"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/lockevent"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/postgres"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Service is this service's name in the mesh, in tokens and in subjects.
const Service = lockevent.Service

// Schema is where its tables are, and the name of its role there.
const Schema = "gateway"

// Config is what the service is told. Of the keys it uses those of purpose `state` and `answer`; each must be there.
type Config struct {
	config.Common `yaml:",inline"`

	// StateDir is the folder of this one gateway: its id, the copy of the access state, the journal. It must survive
	// restarts: events that no broker has are in it.
	StateDir string `yaml:"state_dir"`
	// CopyMaxAge is how old the copy of the access state may get before the gateway refuses everybody; 0: 24 hours.
	CopyMaxAge time.Duration `yaml:"copy_max_age,omitempty"`
	Locks      Locks         `yaml:"locks"`
}

// Locks says how locks are served.
type Locks struct {
	// Listen is the address of the port that locks dial, `host:port`.
	Listen string `yaml:"listen"`
	// CACertFile and CAKeyFile are the jurisdiction's device root, PEM.
	CACertFile string `yaml:"ca_cert_file"`
	CAKeyFile  string `yaml:"ca_key_file"`
	// Endpoints are where locks dial, `host:port`, by region; the own one is required, neighbours should be there. A lock is
	// told its home region's first.
	Endpoints map[region.Name]string `yaml:"endpoints"`
	// Heartbeat is how often a silent lock pings, 1 s to 5 min; 0: 30 s.
	Heartbeat time.Duration `yaml:"heartbeat,omitempty"`
	// AdditionalRootFiles are device roots, PEM certificates, that locks shall trust beside the one of CACertFile and whose devices are
	// served too; at most 3. README.md says how a root is replaced.
	AdditionalRootFiles []string `yaml:"additional_root_files,omitempty"`
	// RenewIssuedBefore makes locks renew certificates that were issued before this moment, whatever is left of them.
	RenewIssuedBefore time.Time `yaml:"renew_issued_before,omitempty"`
	// CertificateTTL is how long a device's certificate holds; 0: 5 years. Connected locks renew theirs when less than a third is left.
	CertificateTTL time.Duration `yaml:"certificate_ttl,omitempty"`
	LockLimits     `yaml:",inline"`
}

// LockLimits bound what locks, and whoever dials their port, may cost. 0 is the default.
type LockLimits struct {
	// MaxConnections bounds the open connections; 0: 100,000.
	MaxConnections int `yaml:"max_connections,omitempty"`
	// MaxConnectionsPerAddress bounds those from one address, behind which there may be a whole building; 0: 25,000.
	MaxConnectionsPerAddress int `yaml:"max_connections_per_address,omitempty"`
	// MaxHandshakes bounds the handshakes and enrolments under way; 0: 512 for each CPU that the process may use.
	MaxHandshakes int `yaml:"max_handshakes,omitempty"`
	// MaxHandshakesPerAddress bounds those from one address; 0: 64.
	MaxHandshakesPerAddress int `yaml:"max_handshakes_per_address,omitempty"`
	// MaxWaiting bounds the connections that wait for their handshake to begin, 5 s at most; 0: 32 times MaxHandshakes.
	MaxWaiting int `yaml:"max_waiting,omitempty"`
	// MaxEnrolmentsPerAddress bounds the enrolments that one address may try in a minute; 0: 600.
	MaxEnrolmentsPerAddress int `yaml:"max_enrolments_per_address,omitempty"`
	// MaxReconnectsPerDevice bounds the sessions that one device may begin in a minute; 0: 60.
	MaxReconnectsPerDevice int `yaml:"max_reconnects_per_device,omitempty"`
}

// validate refuses what makes no sense.
func (l LockLimits) validate() error {
	var errs []error
	for name, value := range map[string]int{
		"max_connections": l.MaxConnections, "max_connections_per_address": l.MaxConnectionsPerAddress,
		"max_handshakes": l.MaxHandshakes, "max_handshakes_per_address": l.MaxHandshakesPerAddress, "max_waiting": l.MaxWaiting,
		"max_enrolments_per_address": l.MaxEnrolmentsPerAddress, "max_reconnects_per_device": l.MaxReconnectsPerDevice,
	} {
		if value < 0 {
			errs = append(errs, fmt.Errorf("locks.%s: %d is negative", name, value))
		}
	}
	return errors.Join(errs...)
}

const (
	// maxMoreRoots and the signing root are as many as a lock takes.
	maxMoreRoots = 3

	defaultHeartbeat      = 30 * time.Second
	defaultCertificateTTL = 5 * 365 * 24 * time.Hour
)

// Validate checks all that can be checked without opening anything; errors name the keys.
func (c Config) Validate() error {
	errs := []error{c.Common.Validate()}
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, purpose := range []string{config.PurposeState, config.PurposeAnswer} {
		if !c.has(purpose) {
			bad("keys: one of purpose %s is needed", purpose)
		}
	}
	if c.StateDir == "" {
		bad("state_dir: is needed")
	}
	if c.CopyMaxAge < 0 {
		bad("copy_max_age: %s is negative", c.CopyMaxAge)
	}
	if c.Locks.Listen == "" || c.Locks.CACertFile == "" || c.Locks.CAKeyFile == "" {
		bad("locks: listen, ca_cert_file and ca_key_file are needed")
	}
	if h := c.Locks.Heartbeat; h != 0 && (h < time.Second || h > 5*time.Minute) {
		bad("locks.heartbeat: %s is outside 1s to 5m", h)
	}
	errs = append(errs, c.Locks.validate())
	if n := len(c.Locks.AdditionalRootFiles); n > maxMoreRoots {
		bad("locks.additional_root_files: %d are more than %d", n, maxMoreRoots)
	}
	if _, ok := c.Locks.Endpoints[c.Region]; !ok {
		bad("locks.endpoints: the own region %s is missing", c.Region)
	}
	for name, address := range c.Locks.Endpoints {
		if _, err := lockendpoint.Parse(address); err != nil {
			bad("locks.endpoints.%s: %w", name, err)
		}
	}
	return errors.Join(errs...)
}

func (c Config) has(purpose string) bool {
	for _, key := range c.Keys {
		if key.Purpose == purpose {
			return true
		}
	}
	return false
}

// ring has the configured keys of a purpose.
func (c Config) ring(purpose string) (*keyring.Ring, error) {
	var keys []keyring.Key
	for _, k := range c.Keys {
		if k.Purpose != purpose {
			continue
		}
		secret, err := k.Read()
		if err != nil {
			return nil, err
		}
		keys = append(keys, keyring.Key{ID: k.ID, Secret: secret})
	}
	return keyring.New(keys)
}

// Migrations are the service's tables, the platform's first.
func Migrations() []fs.FS {
	return []fs.FS{outbox.Migrations, idempotency.Migrations, postgres.Migrations}
}

// Migrate brings the service's tables up to date, as their owner.
func Migrate(ctx context.Context, cfg Config) error {
	return database.Migrate(ctx, cfg.Database.MigrateURL.Reveal(), database.Engine(cfg.Database.Engine), Schema, Migrations()...)
}

func (c Config) copyMaxAge() time.Duration {
	if c.CopyMaxAge == 0 {
		return access.DefaultMaxAge
	}
	return c.CopyMaxAge
}
