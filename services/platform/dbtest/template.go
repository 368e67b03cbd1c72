package dbtest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/jackc/pgx/v5"
)

// create makes a database as opts says, from a template that is made on its first use.
func (s *server) create(ctx context.Context, opts Options) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	template, err := s.template(ctx, opts)
	if err != nil {
		return "", err
	}
	s.serial++
	name := fmt.Sprintf("test_%d", s.serial)
	return name, s.exec(ctx, fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s", name, template))
}

func (s *server) template(ctx context.Context, opts Options) (string, error) {
	migrations, err := database.Migrations(database.Postgres, opts.Schema, opts.Sets...)
	if err != nil {
		return "", err
	}
	key := fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, opts.Schema, opts.Regions, migrations)))
	if name, made := s.templates[key]; made {
		return name, nil
	}
	name := fmt.Sprintf("template_%d", len(s.templates)+1)
	layout := database.Layout{Database: name, Regions: opts.Regions, Services: []database.Service{{Schema: opts.Schema}}}
	if err := database.Bootstrap(ctx, s.url(superuser, "postgres"), database.Postgres, layout); err != nil {
		return "", err
	}
	owner := s.url(opts.Schema+"_owner", name)
	if err := database.Migrate(ctx, owner, database.Postgres, opts.Schema, opts.Sets...); err != nil {
		return "", err
	}
	// The copy has no ACL of its own: CONNECT is PUBLIC's again, which is fine for a test.
	s.templates[key] = name
	return name, nil
}

func (s *server) drop(name string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s.exec(ctx, fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", name)) // what stays goes with the server
}

func (s *server) exec(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, s.url(superuser, "postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}
