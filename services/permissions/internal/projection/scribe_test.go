package projection_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/permissions/internal/postgres"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// scribe writes facts of one organization as the commands do: what changes is superseded, what held before is recorded
// again with its end, and so is what holds from then on. It knows nothing of what the facts mean.
type scribe struct {
	db  *database.DB
	org region.ID
}

func newScribe(db *database.DB) *scribe {
	return &scribe{db: db, org: region.NewID(region.Organization, "euc")}
}

// commit is one of the organization's in a region.
type commit struct {
	tx      pgx.Tx
	org     region.ID
	home    region.Name
	version int64
	at      time.Time
	err     error
}

const advance = `INSERT INTO org_heads (region, org, version, recorded_at) VALUES ($1, $2, 1, clock_timestamp())
	ON CONFLICT (region, org) DO UPDATE SET version = org_heads.version + 1,
		recorded_at = greatest(org_heads.recorded_at + INTERVAL '1 microsecond', clock_timestamp())
	RETURNING version, recorded_at`

// write makes one commit and returns its token.
func (s *scribe) write(t testing.TB, home region.Name, fn func(*commit)) grants.Token {
	t.Helper()
	return s.writeAll(t, map[region.Name]func(*commit){home: fn})[home]
}

// writeAll makes one transaction with commits in several regions.
func (s *scribe) writeAll(t testing.TB, all map[region.Name]func(*commit)) map[region.Name]grants.Token {
	t.Helper()
	tokens := map[region.Name]grants.Token{}
	err := s.db.InTx(context.Background(), func(ctx context.Context, tx pgx.Tx) error {
		for _, home := range []region.Name{central, west} {
			if all[home] == nil {
				continue
			}
			c := &commit{tx: tx, org: s.org, home: home}
			if err := tx.QueryRow(ctx, advance, home, s.org).Scan(&c.version, &c.at); err != nil {
				return err
			}
			if all[home](c); c.err != nil {
				return c.err
			}
			tokens[home] = grants.Token{Service: postgres.Service, Region: home, Org: s.org, Version: c.version}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// key is what names a thing in its table, besides the region.
type key map[string]any

// value is the rest, but for the times.
type value map[string]any

// set records a value from a moment on; zero: the commit's.
func (c *commit) set(table string, k key, v value, from time.Time) {
	if from.IsZero() {
		from = c.at
	}
	c.cut(table, k, v, from, "valid_from < ")
	c.add(table, k, v, from, time.Time{})
}

// end records that what holds ends at a moment; zero: the commit's. What began only later never was: it ends where it
// begins, so that the commit has a row of it. v only names the columns.
func (c *commit) end(table string, k key, v value, from time.Time) {
	if from.IsZero() {
		from = c.at
	}
	c.cut(table, k, v, from, "valid_from <= valid_from OR valid_from < ")
}

// cut supersedes what reaches beyond a moment, and records again what of it lasted until then.
func (c *commit) cut(table string, k key, v value, from time.Time, kept string) {
	where, args := c.where(k)
	args = append(args, c.at, from)
	c.exec(fmt.Sprintf(`UPDATE %s SET superseded_at = $%d WHERE %s AND superseded_at IS NULL AND (valid_to IS NULL OR valid_to > $%d)`,
		table, len(args)-1, where, len(args)), args...)
	columns := names(k, v)
	args = append(args, c.version)
	c.exec(fmt.Sprintf(`INSERT INTO %s (region, org, version, valid_from, valid_to, recorded_at, %s)
		SELECT region, org, $%d, valid_from, greatest(valid_from, $%d), $%d, %s FROM %s WHERE %s AND superseded_at = $%d AND version < $%d AND (%s $%d)`,
		table, columns, len(args), len(args)-1, len(args)-2, columns, table, where, len(args)-2, len(args), kept, len(args)-1), args...)
}

// add records a value from one moment to another; zero: without end.
func (c *commit) add(table string, k key, v value, from, to time.Time) {
	args := []any{c.home, c.org, c.version, from, nil, c.at}
	if !to.IsZero() {
		args[4] = to
	}
	var places []string
	for _, name := range strings.Split(names(k, v), ", ") {
		one, ok := k[name]
		if !ok {
			one = v[name]
		}
		args = append(args, one)
		places = append(places, fmt.Sprint("$", len(args)))
	}
	c.exec(fmt.Sprintf(`INSERT INTO %s (region, org, version, valid_from, valid_to, recorded_at, %s) VALUES ($1, $2, $3, $4, $5, $6, %s)`,
		table, names(k, v), strings.Join(places, ", ")), args...)
}

func (c *commit) where(k key) (string, []any) {
	args := []any{c.home}
	where := "region = $1"
	for _, name := range sorted(k) {
		args = append(args, k[name])
		where += fmt.Sprintf(" AND %s = $%d", name, len(args))
	}
	return where, args
}

// exec keeps the first error for the transaction, which may run again.
func (c *commit) exec(sql string, args ...any) {
	if c.err != nil {
		return
	}
	if _, err := c.tx.Exec(context.Background(), sql, args...); err != nil {
		c.err = fmt.Errorf("%s: %w", sql, err)
	}
}

func names(k key, v value) string {
	return strings.Join(append(sorted(k), sorted(v)...), ", ")
}
