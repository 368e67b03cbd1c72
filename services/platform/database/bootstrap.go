package database

import (
	"context"
	"errors"
	"fmt"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// Layout is what Bootstrap makes.
type Layout struct {
	Database string // default "cardea"
	// Regions whose rows the database holds. On PostgreSQL those of one jurisdiction: an instance's files hold all its
	// databases, so the border is physical only with an instance each. On CockroachDB all; the first is the primary region.
	Regions  []region.Region
	Services []Service
}

// Service is a schema with two roles: Owner() runs the migrations and owns the tables, App() does what migrations grant it.
// On an insecure CockroachDB cluster (tests) leave the passwords empty.
type Service struct {
	Schema        string
	OwnerPassword string
	AppPassword   string
}

// Owner is the name of the role that runs the migrations.
func (s Service) Owner() string { return s.Schema + "_owner" }

// App is the name of the role that the service connects as.
func (s Service) App() string { return s.Schema }

// Bootstrap prepares a server for the services' migrations: database, regions, schemas, roles. It runs as an admin
// (adminURL, any database of the server), is repeatable, and adds what a changed layout adds; it removes nothing.
func Bootstrap(ctx context.Context, adminURL string, engine Engine, layout Layout) error {
	if layout.Database == "" {
		layout.Database = "cardea"
	}
	plan, err := planFor(engine, layout)
	if err != nil {
		return fmt.Errorf("database: bootstrap: %w", err)
	}
	if err := plan.run(ctx, adminURL, layout); err != nil {
		return fmt.Errorf("database: bootstrap: %w", err)
	}
	return nil
}

// plan is what differs between the engines: statements to run in any database first, and in the new one then.
type plan struct {
	database func(ctx context.Context, conn *pgx.Conn) error
	inside   func(ctx context.Context, conn *pgx.Conn) error
}

func planFor(engine Engine, layout Layout) (plan, error) {
	if err := layout.check(); err != nil {
		return plan{}, err
	}
	if err := engine.Check(); err != nil {
		return plan{}, err
	}
	if engine == Cockroach {
		return cockroachPlan(layout), nil
	}
	for _, r := range layout.Regions {
		if r.Jurisdiction != layout.Regions[0].Jurisdiction {
			return plan{}, fmt.Errorf("%s and %s are of different jurisdictions: on PostgreSQL each needs an instance of its own",
				layout.Regions[0].Name, r.Name)
		}
	}
	return postgresPlan(layout), nil
}

func (l Layout) check() error {
	if len(l.Regions) == 0 {
		return errors.New("no regions")
	}
	for _, s := range l.Services {
		if s.Schema == "" {
			return errors.New("a service without a schema")
		}
	}
	return nil
}

func (p plan) run(ctx context.Context, adminURL string, layout Layout) error {
	if err := withConn(ctx, adminURL, "", p.database); err != nil {
		return err
	}
	return withConn(ctx, adminURL, layout.Database, p.inside)
}

func withConn(ctx context.Context, url, name string, do func(context.Context, *pgx.Conn) error) error {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("bad url: %w", hideURL(err))
	}
	if name != "" {
		cfg.Database = name
	}
	cfg.ConnectTimeout = connectTimeout
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return unavailable(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return do(ctx, conn)
}

func ident(name string) string { return pgx.Identifier{name}.Sanitize() }

// exec runs statements in order. Errors name the statement's kind only: it may hold a password.
func exec(ctx context.Context, conn *pgx.Conn, statements ...statement) error {
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s.sql); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
	}
	return nil
}

type statement struct{ what, sql string }
