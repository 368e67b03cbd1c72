package cluster

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os/exec"

	"github.com/cardea-mesh/cardea/deploy/local/internal/postgres"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"golang.org/x/sync/errgroup"
)

const superuser = "postgres"

// startDatabases starts an instance per jurisdiction and prepares it for the services.
func (c *Cluster) startDatabases(ctx context.Context) error {
	for _, j := range c.jurisdictions() {
		for _, s := range services {
			for _, role := range []string{ownerOf(s), s.schema} {
				c.passwords[string(j)+"/"+role] = rand.Text()
			}
		}
		c.passwords[string(j)+"/"+superuser] = rand.Text()
		pair, err := c.authorities.mesh.IssueServer("127.0.0.1")
		if err != nil {
			return err
		}
		server, err := postgres.New(ctx, postgres.Config{
			Name: "PostgreSQL of " + string(j), Home: c.layout.jurisdiction(j, "postgres"), Address: c.ports.of(j, databasePort),
			Password: c.password(j, superuser), CertPEM: pair.CertPEM, KeyPEM: pair.KeyPEM, Log: c.layout.jurisdiction(j, "postgres.log"),
		})
		if err != nil {
			return err
		}
		c.databases[j] = server
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, j := range c.jurisdictions() {
		g.Go(func() error {
			if err := c.databases[j].Start(ctx); err != nil {
				return err
			}
			return database.Bootstrap(ctx, c.databaseURL(j, superuser, "postgres"), database.Postgres, c.databaseLayout(j))
		})
	}
	return g.Wait()
}

func (c *Cluster) databaseLayout(j region.Jurisdiction) database.Layout {
	layout := database.Layout{Regions: c.regions.In(j)}
	for _, s := range services {
		layout.Services = append(layout.Services, database.Service{
			Schema: s.schema, OwnerPassword: c.password(j, ownerOf(s)), AppPassword: c.password(j, s.schema),
		})
	}
	return layout
}

// ownerOf is the role that runs a service's migrations.
func ownerOf(s service) string { return database.Service{Schema: s.schema}.Owner() }

func (c *Cluster) password(j region.Jurisdiction, role string) string {
	return c.passwords[string(j)+"/"+role]
}

func (c *Cluster) databaseURL(j region.Jurisdiction, role, name string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(role, c.password(j, role)), Host: c.ports.of(j, databasePort), Path: "/" + name,
		RawQuery: url.Values{"sslmode": {"verify-full"}, "sslrootcert": {c.CAFile()}}.Encode(),
	}
	return u.String()
}

// databaseConfig is a service's `database` block. Connections are few: eight processes share an instance.
func (c *Cluster) databaseConfig(j region.Jurisdiction, s service) fields {
	return fields{
		"url":         c.databaseURL(j, s.schema, "cardea"),
		"migrate_url": c.databaseURL(j, ownerOf(s), "cardea"),
		"max_conns":   8,
	}
}

// migrate runs each service's migrations once in each jurisdiction, before any service starts.
func (c *Cluster) migrate(ctx context.Context) error {
	if err := c.writeConfigs(); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, j := range c.jurisdictions() {
		r := c.regions.In(j)[0]
		for _, s := range services {
			g.Go(func() error {
				migrate := exec.CommandContext(ctx, c.layout.bin(s.name), "-config", c.configFile(r.Name, s), "-migrate")
				if out, err := migrate.CombinedOutput(); err != nil {
					return fmt.Errorf("%s in %s: %w\n%s", s.name, j, err, out)
				}
				return nil
			})
		}
	}
	return g.Wait()
}
