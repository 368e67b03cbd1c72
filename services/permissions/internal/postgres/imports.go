package postgres

import (
	"context"
	"errors"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

const selectImport = `SELECT kind, next_line, accepted, rejected, last_first_line, last_hash, last_answer FROM imports
	WHERE region = $1 AND org = $2 AND name = $3`

func (r *reader) Import(ctx context.Context, home region.Name, org region.ID, name string) (p grants.ImportProgress, begun bool, err error) {
	err = r.tx.QueryRow(ctx, selectImport, home, org, name).Scan(
		&p.Kind, &p.NextLine, &p.Accepted, &p.Rejected, &p.LastFirstLine, &p.LastHash, &p.LastAnswer)
	if errors.Is(err, pgx.ErrNoRows) {
		return p, false, nil
	}
	return p, err == nil, wrap(err, "read import %q", name)
}

const upsertImport = `INSERT INTO imports (region, org, name, kind, next_line, accepted, rejected, last_first_line, last_hash, last_answer, updated_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
	ON CONFLICT (region, org, name) DO UPDATE SET next_line = excluded.next_line, accepted = excluded.accepted,
		rejected = excluded.rejected, last_first_line = excluded.last_first_line, last_hash = excluded.last_hash,
		last_answer = excluded.last_answer, updated_at = excluded.updated_at`

func (w *writer) SetImport(ctx context.Context, c grants.Commit, name string, p grants.ImportProgress) error {
	home, _, org, at := stamp(c)
	_, err := w.tx.Exec(ctx, upsertImport, home, org, name, p.Kind, p.NextLine, p.Accepted, p.Rejected, p.LastFirstLine, p.LastHash, p.LastAnswer, at)
	return wrap(err, "write import %q", name)
}
