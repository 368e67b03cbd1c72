package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
)

// Schema is the SQL schema of the service's tables, and the name of its role.
const Schema = "identity"

// flushTimeout bounds the last export of traces.
const flushTimeout = 2 * time.Second

// Config is the service's configuration file.
type Config struct {
	config.Common `yaml:",inline"`
	// Operators are the deployment's own people, who make organizations.
	Operators []rpc.Operator `yaml:"operators,omitempty"`
	// DirectoryRegion is the region of the jurisdiction where its directories (slugs) live; empty: its first region by
	// name. Set it before a region is added to the jurisdiction that sorts before: it must never change.
	DirectoryRegion region.Name `yaml:"directory_region,omitempty"`
}

// Validate checks what can be checked without opening anything.
func (c *Config) Validate() error {
	if err := c.Common.Validate(); err != nil {
		return err
	}
	for _, operator := range c.Operators {
		if err := operator.Validate(); err != nil {
			return err
		}
	}
	regions, err := c.RegionMap()
	if err != nil {
		return err
	}
	if c.DirectoryRegion != "" && !regions.Together(c.DirectoryRegion, c.Region) {
		return fmt.Errorf("directory_region: %q is not of the jurisdiction of %s", c.DirectoryRegion, c.Region)
	}
	for _, purpose := range []string{config.PurposePerson, config.PurposeState, config.PurposeAnswer} {
		if !hasKey(c.Keys, purpose) {
			return fmt.Errorf("keys: one of purpose %q is needed", purpose)
		}
	}
	return nil
}

func hasKey(keys []config.Key, purpose string) bool {
	for _, k := range keys {
		if k.Purpose == purpose {
			return true
		}
	}
	return false
}

// directory is DirectoryRegion or its default.
func (c *Config) directory(regions *region.Map, own region.Region) region.Name {
	if c.DirectoryRegion != "" {
		return c.DirectoryRegion
	}
	return regions.In(own.Jurisdiction)[0].Name
}

// open makes the parts that the configuration names; closeAll closes them in reverse.
func open(ctx context.Context, cfg Config) (p Parts, closeAll func(), err error) {
	var closers []func()
	closeAll = func() {
		for i := len(closers) - 1; i >= 0; i-- {
			closers[i]()
		}
	}
	defer func() {
		if err != nil {
			closeAll()
		}
	}()
	regions, err := cfg.RegionMap()
	if err != nil {
		return p, nil, err
	}
	own, err := regions.Lookup(cfg.Region)
	if err != nil {
		return p, nil, err
	}
	p = Parts{
		Region: own, Regions: regions, Directory: cfg.directory(regions, own), Operators: cfg.Operators,
		PublicEndpoints: cfg.Mesh.PublicEndpoints,
	}
	tel, flush, err := telemetry.Setup(ctx, cfg.Telemetry, Service, own)
	if err != nil {
		return p, nil, err
	}
	closers = append(closers, func() { bounded(flush) })
	p.Telemetry = tel
	if p.Keys, err = readRings(cfg.Keys); err != nil {
		return p, nil, err
	}
	if p.DB, err = database.Open(ctx, database.Config{
		URL: cfg.Database.URL.Reveal(), Engine: database.Engine(cfg.Database.Engine), Schema: Schema,
		MaxConns: cfg.Database.MaxConns, Tracer: tel.Tracer,
	}); err != nil {
		return p, nil, err
	}
	closers = append(closers, p.DB.Close)
	if p.Bus, err = bus.Connect(ctx, bus.Config{
		NATS: bus.NATS(cfg.NATS), Region: own.Name, Service: Service, Logger: tel.Logger, Tracer: tel.Tracer,
	}); err != nil {
		return p, nil, err
	}
	closers = append(closers, p.Bus.Close)
	dialer, serving, err := rpc.Join(cfg.Common, regions, Service, tel)
	if err != nil {
		return p, nil, err
	}
	p.Dialer, p.TLS = dialer, serving.TLS
	return p, closeAll, nil
}

func bounded(flush func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	_ = flush(ctx) // what could not be exported is lost; there is nobody left to tell
}

// readRings reads the key files.
func readRings(keys []config.Key) (Rings, error) {
	person, err1 := readRing(keys, config.PurposePerson)
	state, err2 := readRing(keys, config.PurposeState)
	answer, err3 := readRing(keys, config.PurposeAnswer)
	return Rings{Person: person, State: state, Answer: answer}, errors.Join(err1, err2, err3)
}

func readRing(keys []config.Key, purpose string) (*keyring.Ring, error) {
	var of []keyring.Key
	for _, k := range keys {
		if k.Purpose != purpose {
			continue
		}
		secret, err := k.Read()
		if err != nil {
			return nil, err
		}
		of = append(of, keyring.Key{ID: k.ID, Secret: secret})
	}
	ring, err := keyring.New(of)
	if err != nil {
		return nil, fmt.Errorf("keys of purpose %s: %w", purpose, err)
	}
	return ring, nil
}

// Migrate brings the schema up to date, as its owner.
func Migrate(ctx context.Context, cfg Config) error {
	if cfg.Database.MigrateURL == "" {
		return errors.New("database.migrate_url: must be set to migrate")
	}
	return database.Migrate(ctx, cfg.Database.MigrateURL.Reveal(), database.Engine(cfg.Database.Engine), Schema, Migrations()...)
}
