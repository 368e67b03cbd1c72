package grants

import (
	"context"
	"fmt"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// CreateGrant lets a subject open a target from Validity.From (zero: now) to Validity.To (zero: until revoked). From may
// be in the past: the history then says so, and when it was recorded. The schedule must live in the target's region.
func (c Commands) CreateGrant(ctx context.Context, tx Tx, g Grant) (Created, error) {
	home, err := c.Regions.Home(g.Target)
	if err != nil {
		return Created{}, err
	}
	if g.Schedule != "" && !c.in(home.Name, g.Schedule) {
		return Created{}, fmt.Errorf("target in %s, schedule %s: %w", home.Name, g.Schedule, ErrOtherHome)
	}
	commit, err := tx.Commit(ctx, home.Name, g.Org)
	if err != nil {
		return Created{}, err
	}
	if err := c.checkParties(ctx, tx, home.Name, &g); err != nil {
		return Created{}, err
	}
	if g.Validity, err = newValidity(g.Validity, commit.At()); err != nil {
		return Created{}, err
	}
	return c.addGrant(ctx, tx, commit, g)
}

// addGrant records a grant whose parties and validity are checked.
func (c Commands) addGrant(ctx context.Context, tx Tx, commit Commit, g Grant) (Created, error) {
	token := commit.Token()
	id, err := c.newID(region.Grant, token.Region)
	if err != nil {
		return Created{}, err
	}
	g.ID, g.Version, g.Since = id, token.Version, g.Validity.From
	if err := tx.AddGrant(ctx, commit, g); err != nil {
		return Created{}, err
	}
	if err := commit.Record(GrantCreated{g}); err != nil {
		return Created{}, err
	}
	return Created{g.ID, token}, c.grantFollows(ctx, tx, token.Region, g, true)
}

// checkParties finds target, schedule and subject in the organization, and sets the site under which the grant is
// published. People, and groups of other jurisdictions, are not known here: nobody of another organization gets in by
// such a grant, because digests are keyed by organization and copies are sent for the same organization only.
func (c Commands) checkParties(ctx context.Context, tx Tx, home region.Name, g *Grant) error {
	if g.Target.Kind() == region.Zone {
		zone, err := tx.Zone(ctx, g.Org, g.Target)
		if err != nil {
			return err
		}
		g.Site = zone.Site
	} else {
		door, err := tx.Door(ctx, g.Org, g.Target)
		if err != nil {
			return err
		}
		g.Site = door.Site
	}
	if g.Schedule != "" {
		if _, err := tx.Schedule(ctx, g.Org, g.Schedule); err != nil {
			return err
		}
	}
	if g.Subject.Kind() == region.Group && c.Regions.Together(home, c.homeOf(g.Subject)) {
		if _, err := tx.Group(ctx, g.Org, g.Subject); err != nil {
			return err
		}
	}
	return nil
}

func newValidity(v Validity, now time.Time) (Validity, error) {
	if v.From.IsZero() {
		v.From = now
	}
	if v.To.IsZero() {
		return v, nil
	}
	if !v.To.After(v.From) {
		return v, fmt.Errorf("%w: valid_to %s is not after valid_from %s", ErrClockNonsense, text(v.To), text(v.From))
	}
	if !v.To.After(now) {
		return v, fmt.Errorf("%w: valid_to %s is in the past", ErrClockNonsense, text(v.To))
	}
	return v, nil
}

// Revoke ends a grant, and the shares below it, since a moment (zero: the commit's): what was true before stays true, a
// grant that had not begun never holds. Revoking again returns the commit that ended it, unless an earlier moment is told
// than was known: then that is recorded. A grant that ran out by itself is revoked as well: its published fact goes, and
// nobody needs to follow its subject for it any more.
func (c Commands) Revoke(ctx context.Context, tx Tx, org, id region.ID, since time.Time) (Token, error) {
	home, err := c.Regions.Home(id)
	if err != nil {
		return Token{}, err
	}
	g, err := tx.Grant(ctx, org, id)
	if err != nil {
		return Token{}, err
	}
	if g.Revoked {
		known, err := endKnown(ctx, tx, home.Name, g, since)
		if err != nil || known {
			head, err := latest(ctx, tx, home.Name, org)
			head.Version = g.Version
			return head, err
		}
	}
	commit, err := tx.Commit(ctx, home.Name, org)
	if err != nil {
		return Token{}, err
	}
	since, err = effective(since, commit)
	if err != nil {
		return Token{}, err
	}
	_, err = c.endTree(ctx, tx, commit, []Grant{g}, since, "")
	return commit.Token(), err
}

// endKnown says whether a revoked grant is known to have ended by a moment already.
func endKnown(ctx context.Context, tx Tx, home region.Name, g Grant, since time.Time) (bool, error) {
	if since.IsZero() {
		return true, nil
	}
	open, err := tx.GrantsToEnd(ctx, home, g.Org, []region.ID{g.ID}, since)
	return len(open) == 0, err
}

func (c Commands) grantFollows(ctx context.Context, tx Tx, home region.Name, g Grant, wanted bool) error {
	return c.follow(tx, g.Org).want(ctx, home, g.Subject, home, string(g.ID), Reason{Held: wanted})
}

// effective is since when a change holds in the world: the commit's moment, or an earlier one that the caller names.
func effective(since time.Time, commit Commit) (time.Time, error) {
	if since.IsZero() {
		return commit.At(), nil
	}
	if since.After(commit.At()) {
		return since, fmt.Errorf("%w: effective_at %s is in the future", ErrClockNonsense, text(since))
	}
	return since, nil
}

// told is an effective moment as a change tells it: zero for the commit's own.
func told(since time.Time, commit Commit) time.Time {
	if since.Equal(commit.At()) {
		return time.Time{}
	}
	return since
}

func text(t time.Time) string { return t.UTC().Format(time.RFC3339) }
