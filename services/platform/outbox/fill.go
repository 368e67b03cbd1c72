package outbox

import (
	"context"
	"errors"
	"fmt"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// Storage is a Publisher that can tell one life of a bucket from another. A relay with such a Publisher fills a bucket that it does
// not know with all that it should have, before it sends anything else there.
type Storage interface {
	// BucketIncarnation names the life of target's bucket: another name, another bucket. Its error says that it is not known now.
	BucketIncarnation(ctx context.Context, target region.Name, bucket string) (string, error)
}

// fillPage is how many facts are read at once.
const fillPage = 1000

// errLost: another relay has the lease now.
var errLost = errors.New("the lease was lost")

// keepsState says whether the lane brings access state to a bucket that can be lost.
func (l *lane) keepsState() bool {
	cfg := l.relay.cfg
	return cfg.Outbox.cfg.AccessState && l.relay.storage != nil && cfg.Outbox.cfg.Regions.Together(l.home, l.target)
}

// ready says whether the target's bucket has all that was sent before; a bucket that was lost is filled first. Else a head would
// say of an empty bucket that everything up to it is there. Only run calls it.
func (l *lane) ready(ctx context.Context) error {
	if !l.keepsState() {
		return nil
	}
	asked, cancel := context.WithTimeout(ctx, l.relay.cfg.SendTimeout)
	defer cancel()
	incarnation, err := l.relay.storage.BucketIncarnation(asked, l.target, Bucket(l.target, 0))
	if err != nil || incarnation == l.filled {
		return err
	}
	known, err := l.filledBefore(ctx)
	if err != nil {
		return err
	}
	if known != incarnation {
		if err := l.fill(ctx, incarnation); err != nil {
			return fmt.Errorf("fill the bucket: %w", err)
		}
	}
	l.filled = incarnation
	return nil
}

const selectFilled = `SELECT incarnation FROM filled_buckets WHERE region = $1 AND target = $2`

func (l *lane) filledBefore(ctx context.Context) (incarnation string, err error) {
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	err = l.relay.cfg.DB.Pool().QueryRow(ctx, selectFilled, l.home, string(l.target)).Scan(&incarnation)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return incarnation, err
}

const recordFilled = `INSERT INTO filled_buckets (region, target, incarnation, filled_at) VALUES ($1, $2, $3, now())
	ON CONFLICT (region, target) DO UPDATE SET incarnation = excluded.incarnation, filled_at = excluded.filled_at`

// fill writes every fact of the home's organizations, several organizations at a time.
func (l *lane) fill(ctx context.Context, incarnation string) error {
	for after := ""; ; {
		heads, err := l.heads(ctx, after)
		if err != nil {
			return err
		}
		g, within := errgroup.WithContext(ctx)
		g.SetLimit(inParallel)
		for _, h := range heads {
			g.Go(func() error { return l.fillOrg(within, h) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
		if len(heads) < fillPage {
			break
		}
		after = heads[len(heads)-1].Org
	}
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	if _, err := l.relay.cfg.DB.Pool().Exec(ctx, recordFilled, l.home, string(l.target), incarnation); err != nil {
		return err
	}
	l.relay.cfg.Logger.InfoContext(ctx, "a bucket of access state that was new has everything now", "home", l.home, "target", l.target)
	return nil
}

// headRow is an organization and its version.
type headRow struct {
	Org     string
	Version int64
}

const selectHeads = `SELECT org, version FROM org_heads WHERE region = $1 AND org > $2 ORDER BY org LIMIT $3`

func (l *lane) heads(ctx context.Context, after string) ([]headRow, error) {
	return page[headRow](ctx, l, selectHeads, l.home, after, fillPage)
}

// factRow is a fact as a table has it.
type factRow struct {
	Version     int64
	Ordinal     int
	Name        string
	FactVersion int64
	Removed     bool
	Body        []byte
}

// What is waiting for the home's own bucket goes first, then what was sent there: a row that is sent between the two is among the
// second. So all that was committed up to the head is there when the head comes.
const (
	selectWaitingFacts = `SELECT org_version AS version, ordinal, name, fact_version, removed, body FROM outbox
		WHERE region = $1 AND target = $2 AND org = $3 AND what = 'state' AND (org_version, ordinal) > ($4, $5) AND name <> $6
		ORDER BY org_version, ordinal LIMIT $7`

	selectFacts = `SELECT 0::BIGINT AS version, 0::INT AS ordinal, name, version AS fact_version, removed, body FROM access_facts
		WHERE region = $1 AND org = $2 AND name > $3 ORDER BY name LIMIT $4`
)

func (l *lane) fillOrg(ctx context.Context, h headRow) error {
	head := HeadKey(region.ID(h.Org), l.relay.cfg.Outbox.cfg.Service, l.home)
	waiting := func(last factRow) ([]factRow, error) {
		return page[factRow](ctx, l, selectWaitingFacts, l.home, string(l.home), h.Org, last.Version, last.Ordinal, head, fillPage)
	}
	sent := func(last factRow) ([]factRow, error) {
		return page[factRow](ctx, l, selectFacts, l.home, h.Org, last.Name, fillPage)
	}
	for _, read := range []func(factRow) ([]factRow, error){waiting, sent} {
		if err := l.putAll(ctx, read); err != nil {
			return err
		}
	}
	return l.put(ctx, head, &typev1.StateRecord{Version: h.Version})
}

// putAll writes what read returns after each last row, until there is no more.
func (l *lane) putAll(ctx context.Context, read func(last factRow) ([]factRow, error)) error {
	var last factRow
	for {
		rows, err := read(last)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := l.put(ctx, row.Name, &typev1.StateRecord{Version: row.FactVersion, Removed: row.Removed, Body: row.Body}); err != nil {
				return err
			}
		}
		if len(rows) < fillPage {
			return nil
		}
		last = rows[len(rows)-1]
	}
}

func (l *lane) put(ctx context.Context, key string, record *typev1.StateRecord) error {
	if !l.held() {
		return errLost
	}
	ctx, cancel := context.WithTimeout(ctx, l.relay.cfg.SendTimeout)
	defer cancel()
	return l.relay.cfg.Publisher.PutState(ctx, l.target, Bucket(l.target, 0), key, record)
}

func page[Row any](ctx context.Context, l *lane, query string, args ...any) ([]Row, error) {
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	rows, err := l.relay.cfg.DB.Pool().Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Row])
}
