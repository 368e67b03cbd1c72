package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/database"
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
	return c.NeedKeys(config.PurposePerson, config.PurposeState, config.PurposeAnswer)
}

// directory is DirectoryRegion or its default.
func (c *Config) directory(regions *region.Map, own region.Region) region.Name {
	if c.DirectoryRegion != "" {
		return c.DirectoryRegion
	}
	return regions.In(own.Jurisdiction)[0].Name
}

// closers are closed in reverse.
type closers []func()

func (c closers) close() {
	for _, one := range slices.Backward(c) {
		one()
	}
}

// open makes the parts that the configuration names; closeAll closes them in reverse. Nothing is connected to yet.
func open(ctx context.Context, cfg Config) (p Parts, closeAll func(), err error) {
	var opened closers
	defer func() {
		if err != nil {
			opened.close()
		}
	}()
	if p, err = known(cfg); err != nil {
		return p, nil, err
	}
	tel, flush, err := telemetry.Setup(ctx, cfg.Telemetry, Service, p.Region)
	if err != nil {
		return p, nil, err
	}
	opened = append(opened, func() { bounded(flush) })
	p.Telemetry = tel
	if p.DB, err = database.Open(ctx, database.Config{
		URL: cfg.Database.URL.Reveal(), Engine: database.Engine(cfg.Database.Engine), Schema: Schema,
		MaxConns: cfg.Database.MaxConns, Tracer: tel.Tracer,
	}); err != nil {
		return p, nil, err
	}
	opened = append(opened, p.DB.Close)
	if p.Bus, err = bus.Connect(ctx, bus.Config{
		NATS: bus.NATS(cfg.NATS), Region: p.Region.Name, Service: Service, Logger: tel.Logger, Tracer: tel.Tracer,
	}); err != nil {
		return p, nil, err
	}
	opened = append(opened, p.Bus.Close)
	dialer, serving, err := rpc.Join(cfg.Common, p.Regions, Service, tel)
	p.Dialer, p.TLS = dialer, serving.TLS
	return p, opened.close, err
}

// known are the parts that need nothing but the configuration and its key files.
func known(cfg Config) (p Parts, err error) {
	p = Parts{Operators: cfg.Operators, PublicEndpoints: cfg.Mesh.PublicEndpoints}
	if p.Regions, err = cfg.RegionMap(); err != nil {
		return p, err
	}
	if p.Region, err = p.Regions.Lookup(cfg.Region); err != nil {
		return p, err
	}
	p.Directory = cfg.directory(p.Regions, p.Region)
	p.Keys, err = cfg.rings()
	return p, err
}

func bounded(flush func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	_ = flush(ctx) // what could not be exported is lost; there is nobody left to tell
}

// rings reads the key files.
func (c Config) rings() (Rings, error) {
	person, err1 := c.Ring(config.PurposePerson)
	state, err2 := c.Ring(config.PurposeState)
	answer, err3 := c.Ring(config.PurposeAnswer)
	return Rings{Person: person, State: state, Answer: answer}, errors.Join(err1, err2, err3)
}

// Migrate brings the schema up to date, as its owner.
func Migrate(ctx context.Context, cfg Config) error {
	if cfg.Database.MigrateURL == "" {
		return errors.New("database.migrate_url: must be set to migrate")
	}
	return database.Migrate(ctx, cfg.Database.MigrateURL.Reveal(), database.Engine(cfg.Database.Engine), Schema, Migrations()...)
}
