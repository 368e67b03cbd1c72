package postgres

import (
	"context"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

const selectPendingCalls = `SELECT DISTINCT target FROM outbox
	WHERE region = $1 AND target = ANY ($2) AND org = $3 AND org_version <= $4 AND what = 'call' ORDER BY target`

// PendingRegions implements enforcement.Calls. The outbox of another service is not ours to read: no region is pending
// for its commits.
func (s *Store) PendingRegions(ctx context.Context, commit grants.Token) (pending []region.Name, err error) {
	if commit.Service != Service {
		return nil, nil
	}
	var others []string
	for _, r := range s.Regions.All() {
		if !s.Regions.Together(r.Name, commit.Region) {
			others = append(others, string(r.Name))
		}
	}
	err = s.DB.Read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, selectPendingCalls, commit.Region, others, commit.Org, commit.Version)
		if err != nil {
			return err
		}
		pending, err = pgx.CollectRows(rows, pgx.RowTo[region.Name])
		return err
	})
	return pending, wrap(err, "read pending calls")
}
