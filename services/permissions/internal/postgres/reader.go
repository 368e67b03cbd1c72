package postgres

import (
	"context"
	"errors"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// reader is grants.Reader over one transaction.
type reader struct {
	tx      pgx.Tx
	outbox  *outbox.Outbox
	regions *region.Map
}

var _ grants.Reader = (*reader)(nil)

const selectHead = `SELECT version, recorded_at FROM org_heads WHERE region = $1 AND org = $2`

func (r *reader) Head(ctx context.Context, home region.Name, org region.ID) (grants.Head, error) {
	head := grants.Head{Token: grants.Token{Service: Service, Region: home, Org: org}}
	err := r.tx.QueryRow(ctx, selectHead, home, org).Scan(&head.Version, &head.RecordedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return head, nil
	}
	head.RecordedAt = head.RecordedAt.UTC()
	return head, wrap(err, "read the head of %s", org)
}

const selectHeads = `SELECT region::TEXT, version, recorded_at FROM org_heads
	WHERE region = ANY ($1::TEXT[]::crdb_internal_region[]) AND org = $2`

func (r *reader) Heads(ctx context.Context, home region.Name, org region.ID) (head grants.Head, latest time.Time, err error) {
	head = grants.Head{Token: grants.Token{Service: Service, Region: home, Org: org}}
	around, err := r.around(home)
	if err != nil {
		return head, latest, err
	}
	rows, err := r.tx.Query(ctx, selectHeads, around, org)
	if err != nil {
		return head, latest, wrap(err, "read the heads of %s", org)
	}
	var at region.Name
	var version int64
	var recorded time.Time
	_, err = pgx.ForEachRow(rows, []any{&at, &version, &recorded}, func() error {
		if at == home {
			head.Version, head.RecordedAt = version, recorded.UTC()
		}
		if recorded.After(latest) {
			latest = recorded.UTC()
		}
		return nil
	})
	return head, latest, wrap(err, "read the heads of %s", org)
}

func (r *reader) Fresh(ctx context.Context, tokens []grants.Token) error {
	wire := make([]*typev1.ConsistencyToken, len(tokens))
	for i, t := range tokens {
		wire[i] = &typev1.ConsistencyToken{Service: t.Service, Region: string(t.Region), OrgId: string(t.Org), Version: t.Version}
	}
	return r.outbox.Fresh(ctx, r.tx, wire)
}

// one scans the row of a thing. query takes region, id and organization.
func (r *reader) one(ctx context.Context, org, id region.ID, query string, into ...any) error {
	home, err := r.home(id)
	if err != nil {
		return err
	}
	err = r.tx.QueryRow(ctx, query, home, id, org).Scan(into...)
	if errors.Is(err, pgx.ErrNoRows) {
		return grants.NotFound(id)
	}
	return wrap(err, "read %s", id)
}

func (r *reader) ids(ctx context.Context, query string, args ...any) ([]region.ID, error) {
	rows, err := r.tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[region.ID])
}

func texts(ids []region.ID) []string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = string(id)
	}
	return all
}
