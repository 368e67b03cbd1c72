package identity

import (
	"context"
	"errors"
	"fmt"

	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
)

// Schema is the SQL schema of the service's tables, and the name of its role.
const Schema = "identity"

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
