package postgres

import (
	"context"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/permissions/internal/projection"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// Projection is where package projection reads the organizations of a jurisdiction.
type Projection struct {
	*Store
	// Home is any region of the jurisdiction.
	Home region.Name
}

var _ projection.Source = Projection{}

// Load implements projection.Source.
func (p Projection) Load(ctx context.Context, org region.ID, limit int64) (rows *projection.Rows, err error) {
	err = p.DB.Snapshot(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		rows, err = p.whole(ctx, tx, org, limit)
		return err
	})
	return rows, wrap(err, "load %s", org)
}

// Pull implements projection.Source: one round trip beside those of the transaction.
func (p Projection) Pull(ctx context.Context, org region.ID, since []grants.Head) (rows *projection.Rows, err error) {
	err = p.DB.Snapshot(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		rows, err = p.delta(ctx, tx, org, since)
		return err
	})
	return rows, wrap(err, "pull %s", org)
}

// Reload implements projection.Source.
func (p Projection) Reload(ctx context.Context, org region.ID, since []grants.Head, limit int64) (whole, delta *projection.Rows, err error) {
	err = p.DB.Snapshot(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		if delta, err = p.delta(ctx, tx, org, since); err != nil {
			return err
		}
		whole, err = p.whole(ctx, tx, org, limit)
		return err
	})
	return whole, delta, wrap(err, "reload %s", org)
}

const selectHeadsOfMany = `SELECT org, region::TEXT, version, recorded_at FROM org_heads
	WHERE region = ANY ($1::TEXT[]::crdb_internal_region[]) AND org = ANY ($2)`

// Heads implements projection.Source.
func (p Projection) Heads(ctx context.Context, orgs []region.ID) (map[region.ID][]grants.Head, error) {
	all := make(map[region.ID][]grants.Head, len(orgs))
	for _, org := range orgs {
		heads, err := p.noHeads(org)
		if err != nil {
			return nil, err
		}
		all[org] = heads
	}
	err := p.DB.Snapshot(ctx, func(ctx context.Context, tx pgx.Tx) error {
		around, err := p.reader(tx).around(p.Home)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, selectHeadsOfMany, around, texts(orgs))
		if err != nil {
			return err
		}
		var org region.ID
		var head grants.Head
		_, err = pgx.ForEachRow(rows, []any{&org, &head.Region, &head.Version, &head.RecordedAt}, func() error {
			note(all[org], head)
			return nil
		})
		return err
	})
	return all, wrap(err, "read heads")
}

// noHeads is one for each region of the jurisdiction, in their order.
func (p Projection) noHeads(org region.ID) ([]grants.Head, error) {
	home, err := p.Regions.Lookup(p.Home)
	if err != nil {
		return nil, err
	}
	var heads []grants.Head
	for _, r := range p.Regions.In(home.Jurisdiction) {
		heads = append(heads, grants.Head{Token: grants.Token{Service: Service, Region: r.Name, Org: org}})
	}
	return heads, nil
}

// note puts a head that was read into its place.
func note(heads []grants.Head, read grants.Head) {
	for i := range heads {
		if heads[i].Region == read.Region {
			heads[i].Version, heads[i].RecordedAt = read.Version, read.RecordedAt.UTC()
		}
	}
}

func (p Projection) queueHeads(batch *pgx.Batch, tx pgx.Tx, org region.ID) ([]grants.Head, error) {
	heads, err := p.noHeads(org)
	if err != nil {
		return nil, err
	}
	around, err := p.reader(tx).around(p.Home)
	if err != nil {
		return nil, err
	}
	batch.Queue(selectHeads, around, org).Query(func(rows pgx.Rows) error {
		var head grants.Head
		_, err := pgx.ForEachRow(rows, []any{&head.Region, &head.Version, &head.RecordedAt}, func() error {
			note(heads, head)
			return nil
		})
		return err
	})
	return heads, nil
}

// whole reads the heads first: nobody has to be asked about the regions in which the organization is not.
func (p Projection) whole(ctx context.Context, tx pgx.Tx, org region.ID, limit int64) (*projection.Rows, error) {
	var first pgx.Batch
	heads, err := p.queueHeads(&first, tx, org)
	if err != nil {
		return nil, err
	}
	if err := tx.SendBatch(ctx, &first).Close(); err != nil {
		return nil, err
	}
	s := scan{into: &projection.Rows{Heads: heads}, left: limit / projection.RowBytes, limited: true, texts: map[string]string{}}
	var batch pgx.Batch
	for _, head := range heads {
		if head.Version > 0 {
			s.queueWhole(&batch, head.Region, org)
		}
	}
	return s.into, tx.SendBatch(ctx, &batch).Close()
}

func (p Projection) delta(ctx context.Context, tx pgx.Tx, org region.ID, since []grants.Head) (*projection.Rows, error) {
	var batch pgx.Batch
	heads, err := p.queueHeads(&batch, tx, org)
	if err != nil {
		return nil, err
	}
	s := scan{into: &projection.Rows{Heads: heads}, texts: map[string]string{}}
	for _, head := range since {
		s.queueSince(&batch, head.Region, org, head.Version)
	}
	return s.into, tx.SendBatch(ctx, &batch).Close()
}
