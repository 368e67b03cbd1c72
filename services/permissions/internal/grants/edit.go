package grants

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Edit is what an update says besides the new value.
type Edit struct {
	// Etag names the state that the caller has read.
	Etag string
	// EffectiveAt is since when the new value holds in the world, at most the commit's moment; zero: the commit's moment.
	EffectiveAt time.Time
}

// needed says whether an update changes anything. One that does not is a repetition, whatever its etag: its answer may
// have been lost. One that does must know what is there.
func (e Edit) needed(same bool, since time.Time, version int64) (bool, error) {
	if same && (e.EffectiveAt.IsZero() || !e.EffectiveAt.Before(since)) {
		return false, nil
	}
	return true, checkEtag(e.Etag, version)
}

// begin begins the commit of an update of a thing, and says from when it holds.
func (c Commands) begin(ctx context.Context, tx Tx, id, org region.ID, e Edit) (Commit, time.Time, error) {
	_, commit, err := c.commitAt(ctx, tx, id, org)
	switch {
	case err != nil:
		return nil, time.Time{}, err
	case e.EffectiveAt.IsZero():
		return commit, commit.At(), nil
	case e.EffectiveAt.After(commit.At()):
		return nil, time.Time{}, fmt.Errorf("%w: effective_at %s is in the future", ErrClockNonsense, text(e.EffectiveAt))
	}
	return commit, e.EffectiveAt, nil
}

// head is the organization's latest commit in the home of a thing: the answer of a write that changes nothing.
func (c Commands) head(ctx context.Context, tx Tx, id, org region.ID) (Token, error) {
	home, err := c.Regions.Home(id)
	if err != nil {
		return Token{}, err
	}
	return latest(ctx, tx, home.Name, org)
}

// gone answers the deletion of something that is not there: what was deleted before is deleted, what never was is not found.
func (c Commands) gone(ctx context.Context, tx Tx, id, org region.ID, notFound error) (Token, error) {
	if !errors.Is(notFound, ErrNotFound) {
		return Token{}, notFound
	}
	was, err := tx.Existed(ctx, org, id)
	if err != nil {
		return Token{}, err
	}
	if !was {
		return Token{}, notFound
	}
	return c.head(ctx, tx, id, org)
}
