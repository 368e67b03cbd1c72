package registrar

import (
	"context"

	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// Standing returns an organization's last commit in a region, of version 0 when there is none, and the crossings of the
// commits up to version.
func (r *Registrar) Standing(ctx context.Context, tx pgx.Tx, org region.ID, in region.Name, version int64) (*Token, []outbox.Crossing, error) {
	head, err := r.outbox.Head(ctx, tx, in, org)
	if err != nil {
		return nil, nil, err
	}
	var crossings []outbox.Crossing
	if version > 0 {
		if crossings, err = r.outbox.Crossings(ctx, tx, in, org, version); err != nil {
			return nil, nil, err
		}
	}
	return token(in, org, head), crossings, nil
}

// ConfirmCrossing records that a follower has in force what commits of the organization up to version have sent there.
func (r *Registrar) ConfirmCrossing(ctx context.Context, tx pgx.Tx, org region.ID, in, follower region.Name, version int64) error {
	return r.outbox.Confirm(ctx, tx, in, org, follower, version)
}
