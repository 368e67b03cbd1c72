package postgres

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Who names what: asked before a thing is deleted.

// A few are enough to say why not.
const selectUsers = `SELECT id FROM grants
		WHERE region = $1 AND schedule_id = $2 AND org = $3 AND superseded_at IS NULL AND NOT revoked AND (valid_to IS NULL OR valid_to > $4)
	UNION ALL
	SELECT id FROM doors
		WHERE region = $1 AND org = $3 AND superseded_at IS NULL AND valid_to IS NULL
			AND (rules->>'auto_unlock' = $2 OR rules->'first_person'->>'schedule' = $2 OR rules->'second_factor'->>'schedule' = $2)
	LIMIT 3`

func (w *writer) UsersOf(ctx context.Context, org, schedule region.ID, at time.Time) ([]region.ID, error) {
	home, err := w.home(schedule)
	if err != nil {
		return nil, err
	}
	users, err := w.ids(ctx, selectUsers, home, schedule, org, at)
	return users, wrap(err, "read who names %s", schedule)
}
