package postgres

import (
	"context"

	"github.com/cardea-mesh/cardea/services/permissions/internal/enforcement"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/jackc/pgx/v5"
)

var _ enforcement.Standings = (*Store)(nil)

// Standing implements enforcement.Standings for permissions' own commits.
func (s *Store) Standing(ctx context.Context, upTo grants.Token) (standing enforcement.Standing, err error) {
	err = s.DB.Read(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		if standing.Head, err = s.Outbox.Head(ctx, tx, upTo.Region, upTo.Org); err != nil || upTo.Version == 0 {
			return err
		}
		standing.Crossings, err = s.Outbox.Crossings(ctx, tx, upTo.Region, upTo.Org, upTo.Version)
		return err
	})
	return standing, wrap(err, "read how far %s is in %s", upTo.Org, upTo.Region)
}

// Confirm implements enforcement.Standings.
func (s *Store) Confirm(ctx context.Context, commit grants.Token, crossing outbox.Crossing) error {
	return s.DB.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return s.Outbox.Confirm(ctx, tx, commit.Region, commit.Org, crossing.Target, crossing.Version)
	})
}
