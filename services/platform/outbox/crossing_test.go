package outbox_test

import (
	"context"
	"slices"
	"testing"

	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

func wantCrossings(t *testing.T, db *database.DB, ob *outbox.Outbox, org region.ID, version int64, want ...outbox.Crossing) {
	t.Helper()
	var got []outbox.Crossing
	err := db.Read(t.Context(), func(ctx context.Context, tx pgx.Tx) (err error) {
		got, err = ob.Crossings(ctx, tx, central, org, version)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("crossings up to %d\n%+v\nwant\n%+v", version, got, want)
	}
}

func confirm(t *testing.T, db *database.DB, ob *outbox.Outbox, org region.ID, version int64) {
	t.Helper()
	err := db.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
		return ob.Confirm(ctx, tx, central, org, us, version)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// taken does what the relay does when the target has answered.
func taken(t *testing.T, db *database.DB, org region.ID, version int64) {
	t.Helper()
	_, err := db.Pool().Exec(t.Context(), `DELETE FROM outbox WHERE region = $1 AND target = $2 AND org = $3 AND org_version <= $4`, central, us, org, version)
	if err != nil {
		t.Fatal(err)
	}
}

func callUS(c *outbox.Commit) { c.Call(us, "/x/Receive", text("fact")) }
func quiet(*outbox.Commit)    {}

func TestACrossingIsSentWhenItsCallsWereTakenAndConfirmedWhenSaidSo(t *testing.T) {
	db, ob := newOutbox(t)
	org, other := newOrg(), newOrg()
	commit(t, db, ob, central, org, quiet)
	wantCrossings(t, db, ob, org, 1)
	commit(t, db, ob, central, org, func(c *outbox.Commit) { callUS(c); callUS(c) }) // 2
	commit(t, db, ob, central, org, quiet)                                           // 3
	commit(t, db, ob, central, other, callUS)
	wantCrossings(t, db, ob, org, 3, outbox.Crossing{Target: us, Version: 2})
	taken(t, db, org, 2)
	wantCrossings(t, db, ob, org, 3, outbox.Crossing{Target: us, Version: 2, Sent: true})
	confirm(t, db, ob, org, 2)
	wantCrossings(t, db, ob, org, 3, outbox.Crossing{Target: us, Version: 2, Sent: true, Confirmed: true})
	confirm(t, db, ob, org, 1) // a late answer to an older question
	wantCrossings(t, db, ob, org, 3, outbox.Crossing{Target: us, Version: 2, Sent: true, Confirmed: true})
	wantCrossings(t, db, ob, other, 1, outbox.Crossing{Target: us, Version: 1})
}

func TestALaterCallDoesNotHoldUpAnEarlierCommit(t *testing.T) {
	db, ob := newOutbox(t)
	org := newOrg()
	commit(t, db, ob, central, org, callUS) // 1
	taken(t, db, org, 1)
	commit(t, db, ob, central, org, quiet)  // 2
	commit(t, db, ob, central, org, callUS) // 3
	wantCrossings(t, db, ob, org, 2, outbox.Crossing{Target: us, Version: 2, Sent: true})
	wantCrossings(t, db, ob, org, 3, outbox.Crossing{Target: us, Version: 3})
	confirm(t, db, ob, org, 2)
	wantCrossings(t, db, ob, org, 2, outbox.Crossing{Target: us, Version: 2, Sent: true, Confirmed: true})
	wantCrossings(t, db, ob, org, 3, outbox.Crossing{Target: us, Version: 3})
}
