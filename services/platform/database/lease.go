package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// The migrator's own tables. Every statement is repeatable; two migrators may run them at once.
const (
	createVersions = `CREATE TABLE IF NOT EXISTS schema_migrations (
	region crdb_internal_region NOT NULL,
	version BIGINT NOT NULL,
	applied_at TIMESTAMPTZ NOT NULL DEFAULT now(),
	PRIMARY KEY (region, version)
)`
	createLease = `CREATE TABLE IF NOT EXISTS schema_lease (
	region crdb_internal_region NOT NULL,
	name TEXT NOT NULL,
	holder TEXT NOT NULL,
	expires_at TIMESTAMPTZ NOT NULL,
	PRIMARY KEY (region, name)
)`
	byRow            = ` LOCALITY REGIONAL BY ROW AS region` // CockroachDB's only; in the CREATE, so that repeating does nothing
	createVersionsBy = createVersions + byRow
	createLeaseBy    = createLease + byRow
)

// selectHome: the database's first region.
const selectHome = `SELECT e.enumlabel FROM pg_catalog.pg_enum e JOIN pg_catalog.pg_type t ON t.oid = e.enumtypid
	WHERE t.typname = 'crdb_internal_region' ORDER BY e.enumsortorder LIMIT 1`

// prepare makes the migrator's own tables and returns the region of their rows.
func prepare(ctx context.Context, db *sql.DB, engine Engine) (home string, err error) {
	statements := []string{createVersions, createLease}
	if engine == Cockroach {
		statements = []string{createVersionsBy, createLeaseBy}
	}
	for _, s := range statements {
		if err := repeatUntilAlone(ctx, db, s); err != nil {
			return "", err
		}
	}
	err = db.QueryRowContext(ctx, selectHome).Scan(&home)
	if errors.Is(err, sql.ErrNoRows) {
		return "", errors.New("the type crdb_internal_region is not there: run the bootstrap first")
	}
	return home, err
}

// repeatUntilAlone runs a DDL statement again when another migrator ran the same one at the same moment: the loser of
// two CREATE TABLE IF NOT EXISTS may get an error about the catalog instead of a notice.
func repeatUntilAlone(ctx context.Context, db *sql.DB, statement string) error {
	for attempt := 1; ; attempt++ {
		_, err := db.ExecContext(ctx, statement)
		if err == nil || attempt == 10 || !racedDDL(err) {
			return err
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

func racedDDL(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code {
	case "23505", "42P07", "42710", "40001", "40P01", "XX000": // unique violation in a catalog, duplicates, conflicts, concurrent update
		return true
	}
	return false
}

// leaseTime is how long another migrator waits for one that died.
const leaseTime = 30 * time.Second

// lease keeps two migrators apart with a row; advisory locks do nothing on CockroachDB.
type lease struct {
	db     *sql.DB
	home   string
	holder string
}

const takeLease = `INSERT INTO schema_lease (region, name, holder, expires_at)
	VALUES ($1, 'migrator', $2, now() + $3::INTERVAL)
	ON CONFLICT (region, name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
	WHERE schema_lease.holder = excluded.holder OR schema_lease.expires_at < now()`

const dropLease = `DELETE FROM schema_lease WHERE region = $1 AND name = 'migrator' AND holder = $2`

// hold waits for the lease, renews it while work runs, and ends work's context when it is lost.
func (l lease) hold(ctx context.Context, work func(context.Context) error) error {
	if err := l.wait(ctx); err != nil {
		return fmt.Errorf("database: wait for the other migrator: %w", err)
	}
	defer l.drop(ctx)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		l.renew(ctx, cancel)
	}()
	err := work(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	cancel(nil)
	<-renewed
	return err
}

func (l lease) wait(ctx context.Context) error {
	for {
		taken, err := l.take(ctx)
		if err != nil || taken {
			return err
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

func (l lease) take(ctx context.Context) (bool, error) {
	done, err := l.db.ExecContext(ctx, takeLease, l.home, l.holder, fmt.Sprintf("%d seconds", int(leaseTime.Seconds())))
	if racedDDL(err) { // another took it at the same moment
		return false, nil
	}
	if err != nil {
		return false, err
	}
	n, err := done.RowsAffected()
	return n == 1, err
}

func (l lease) renew(ctx context.Context, lost context.CancelCauseFunc) {
	for {
		if sleep(ctx, leaseTime/3) != nil {
			return
		}
		if ok, err := l.take(ctx); err != nil || !ok {
			lost(errors.New("database: the migrator's lease was lost"))
			return
		}
	}
}

func (l lease) drop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	l.db.ExecContext(ctx, dropLease, l.home, l.holder) // if it fails the lease runs out
}
