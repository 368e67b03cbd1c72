package database

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	goosedb "github.com/pressly/goose/v3/database"
)

// Migrate brings schema up to date with sets, as the schema's owner (url). It may be run at any time and by several
// processes at once: one works, the others wait for it and then find nothing to do. The schema itself is Bootstrap's.
func Migrate(ctx context.Context, url string, engine Engine, schema string, sets ...fs.FS) error {
	if err := engine.Check(); err != nil {
		return err
	}
	migrations, err := Migrations(engine, schema, sets...)
	if err != nil {
		return err
	}
	db, err := openSQL(url, schema)
	if err != nil {
		return err
	}
	defer db.Close()
	home, err := prepare(ctx, db, engine)
	if err != nil {
		return fmt.Errorf("database: the migrator's own tables: %w", err)
	}
	lease := lease{db: db, home: home, holder: rand.Text()}
	return lease.hold(ctx, func(ctx context.Context) error { return up(ctx, db, home, migrations) })
}

func up(ctx context.Context, db *sql.DB, home string, migrations []Migration) error {
	if len(migrations) == 0 {
		return nil
	}
	if err := (store{home: home}).Insert(ctx, db, goosedb.InsertRequest{Version: 0}); err != nil { // goose wants to see it
		return fmt.Errorf("database: %w", err)
	}
	provider, err := goose.NewProvider("", db, flat(migrations),
		goose.WithStore(store{home: home}),
		goose.WithIsolateDDL(true),
		goose.WithAllowOutofOrder(true), // the platform's numbers are below the services'
		goose.WithDisableGlobalRegistry(true),
		goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		var partial *goose.PartialError
		if errors.As(err, &partial) && partial.Failed != nil {
			return fmt.Errorf("database: migration %s: %w", partial.Failed.Source.Path, partial.Err)
		}
		return fmt.Errorf("database: migrate: %w", err)
	}
	return nil
}

func openSQL(url, schema string) (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("database: bad url: %w", hideURL(err))
	}
	cfg.ConnectTimeout = connectTimeout
	cfg.RuntimeParams["search_path"] = searchPath(schema)
	// Nothing is prepared: a plan made before a schema change would fail after it.
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	return stdlib.OpenDB(*cfg), nil
}

// store keeps the applied versions in schema_migrations, whose rows live in the database's first region. Reads name no
// region: which one is first may change when a region is added.
type store struct{ home string }

var _ goosedb.StoreExtender = store{}

func (store) Tablename() string { return "schema_migrations" }

// TableExists: prepare has made it.
func (store) TableExists(context.Context, goosedb.DBTxConn) (bool, error) { return true, nil }

func (store) CreateVersionTable(context.Context, goosedb.DBTxConn) error { return nil }

const insertVersion = `INSERT INTO schema_migrations (region, version)
	VALUES ($1, $2) ON CONFLICT (region, version) DO NOTHING`

func (s store) Insert(ctx context.Context, db goosedb.DBTxConn, req goosedb.InsertRequest) error {
	_, err := db.ExecContext(ctx, insertVersion, s.home, req.Version)
	return err
}

func (store) Delete(context.Context, goosedb.DBTxConn, int64) error {
	return errors.New("migrations go forward only")
}

const selectVersion = `SELECT applied_at FROM schema_migrations WHERE version = $1 ORDER BY applied_at LIMIT 1`

func (store) GetMigration(ctx context.Context, db goosedb.DBTxConn, version int64) (*goosedb.GetMigrationResult, error) {
	found := goosedb.GetMigrationResult{IsApplied: true}
	err := db.QueryRowContext(ctx, selectVersion, version).Scan(&found.Timestamp)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, goosedb.ErrVersionNotFound
	}
	return &found, err
}

const selectLatest = `SELECT max(version) FROM schema_migrations`

func (store) GetLatestVersion(ctx context.Context, db goosedb.DBTxConn) (int64, error) {
	var latest sql.NullInt64
	if err := db.QueryRowContext(ctx, selectLatest).Scan(&latest); err != nil {
		return 0, err
	}
	if !latest.Valid {
		return 0, goosedb.ErrVersionNotFound
	}
	return latest.Int64, nil
}

const selectVersions = `SELECT DISTINCT version FROM schema_migrations ORDER BY version DESC`

func (store) ListMigrations(ctx context.Context, db goosedb.DBTxConn) ([]*goosedb.ListMigrationsResult, error) {
	rows, err := db.QueryContext(ctx, selectVersions)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []*goosedb.ListMigrationsResult
	for rows.Next() {
		m := &goosedb.ListMigrationsResult{IsApplied: true}
		if err := rows.Scan(&m.Version); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, rows.Err()
}
