package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Service is the name in tokens, heads and subjects.
const Service = "permissions"

// writer is grants.Tx over one transaction.
type writer struct {
	*reader
	record  func(*outbox.Commit, grants.Change) error
	commits map[region.Name]*commit
	// committed is Config.Committed
	committed func(region.ID, region.Name, int64)
	begun     []*commit
}

var _ grants.Tx = (*writer)(nil)

// commit is grants.Commit over the outbox's.
type commit struct {
	*outbox.Commit
	record func(*outbox.Commit, grants.Change) error
}

func (c *commit) Token() grants.Token {
	return grants.Token{Service: Service, Region: c.Region, Org: c.Org, Version: c.Version}
}

func (c *commit) At() time.Time { return c.RecordedAt }

func (c *commit) Record(ch grants.Change) error { return c.record(c.Commit, ch) }

// Commit implements grants.Tx. A transaction is about one organization.
func (w *writer) Commit(ctx context.Context, home region.Name, org region.ID) (grants.Commit, error) {
	if c := w.commits[home]; c != nil {
		if c.Org != org {
			return nil, fmt.Errorf("commit for %s inside one for %s", org, c.Org)
		}
		return c, nil
	}
	begun, err := w.outbox.Begin(ctx, w.tx, home, org)
	if err != nil {
		return nil, err
	}
	c := &commit{Commit: begun, record: w.record}
	w.commits[home] = c
	w.begun = append(w.begun, c)
	return c, nil
}

func (w *writer) flush(ctx context.Context) error {
	for _, c := range w.begun {
		if _, err := c.Flush(ctx); err != nil {
			return err
		}
	}
	if w.committed != nil {
		database.AfterCommit(ctx, func() {
			for _, c := range w.begun {
				w.committed(c.Org, c.Region, c.Version)
			}
		})
	}
	return nil
}

// stamp is what every bitemporal row has: where and when it was recorded, and from when it holds.
func stamp(c grants.Commit) (home region.Name, version int64, org region.ID, at time.Time) {
	t := c.Token()
	return t.Region, t.Version, t.Org, c.At()
}

// open is NULL for a validity without end.
func open(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// ends is the reverse of open.
func ends(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
