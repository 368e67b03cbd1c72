package grants

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// Share passes a grant on to a person.
type Share struct {
	Org, Grant, Sharer, Recipient region.ID
	Target                        region.ID // inside the grant's; empty: the same
	Validity                      Validity  // inside the grant's; zero times: the grant's
	MaxUses                       int       // at most the grant's; 0: the grant's
	ShareDepth                    int       // less than the grant's
}

// ShareGrant makes a share: a grant to the recipient, within what the sharer holds by the grant, that ends with it. Its
// schedule is the grant's; in lockdowns it never opens.
func (c Commands) ShareGrant(ctx context.Context, tx Tx, s Share) (Created, error) {
	home, commit, err := c.commitAt(ctx, tx, s.Grant, s.Org)
	if err != nil {
		return Created{}, err
	}
	parent, err := tx.Grant(ctx, s.Org, s.Grant)
	if err != nil {
		return Created{}, err
	}
	if s.Sharer == s.Recipient {
		return Created{}, fmt.Errorf("%w: recipient_id: the sharer", ErrInvalid)
	}
	if parent.Revoked || !parent.Validity.To.IsZero() && !parent.Validity.To.After(commit.At()) {
		return Created{}, fmt.Errorf("%w: grant %s has ended", ErrForbidden, parent.ID)
	}
	if err := c.checkSharer(ctx, tx, home, parent, s.Sharer); err != nil {
		return Created{}, err
	}
	child, err := c.newShare(ctx, tx, parent, s, commit.At())
	if err != nil {
		return Created{}, err
	}
	return c.addGrant(ctx, tx, commit, child)
}

// newShare is the share with what it takes from its parent.
func (c Commands) newShare(ctx context.Context, tx Tx, parent Grant, s Share, now time.Time) (Grant, error) {
	child := Grant{
		Org: s.Org, Subject: s.Recipient, Target: s.Target, Schedule: parent.Schedule, Validity: s.Validity,
		MaxUses: s.MaxUses, ShareDepth: s.ShareDepth, SharedFrom: parent.ID, Sharer: s.Sharer,
	}
	if child.Target == "" {
		child.Target = parent.Target
	}
	if child.MaxUses == 0 {
		child.MaxUses = parent.MaxUses
	}
	if child.Validity.From.IsZero() {
		child.Validity.From = later(now, parent.Since)
	}
	if child.Validity.To.IsZero() {
		child.Validity.To = parent.Validity.To
	}
	var err error
	if child.Validity, err = newValidity(child.Validity, now); err != nil {
		return child, err
	}
	child.Since = child.Validity.From
	if err := checkShare(parent, child); err != nil {
		return child, err
	}
	if err := c.checkInside(ctx, tx, parent, child.Target); err != nil {
		return child, err
	}
	return child, c.checkParties(ctx, tx, c.homeOf(parent.ID), &child)
}

// checkShare refuses a share that exceeds its parent.
func checkShare(parent, child Grant) error {
	no := func(format string, args ...any) error {
		return fmt.Errorf("%w: grant %s "+format, append([]any{ErrForbidden, parent.ID}, args...)...)
	}
	switch {
	case parent.ShareDepth == 0:
		return no("may not be shared: its share_depth is 0")
	case child.ShareDepth >= parent.ShareDepth:
		return no("has share_depth %d: that of a share must be less", parent.ShareDepth)
	case parent.MaxUses > 0 && (child.MaxUses == 0 || child.MaxUses > parent.MaxUses):
		return no("opens %d times: a share may not open more often", parent.MaxUses)
	case child.OverrideRank > 0:
		return no("cannot be shared with an override of lockdowns")
	case child.Schedule != parent.Schedule:
		return no("gives a share its own schedule: update the grant")
	case child.Since.Before(parent.Since):
		return no("begins at %s: a share may not begin earlier", text(parent.Since))
	case !parent.Validity.To.IsZero() && (child.Validity.To.IsZero() || child.Validity.To.After(parent.Validity.To)):
		return no("ends at %s: a share may not end later", text(parent.Validity.To))
	}
	return nil
}

// checkSharer refuses a sharer whom the grant does not name, neither directly nor through groups that are known in this
// jurisdiction.
func (c Commands) checkSharer(ctx context.Context, tx Tx, home region.Name, parent Grant, sharer region.ID) error {
	held, err := reaches([]region.ID{sharer}, parent.Subject, func(of []region.ID) ([]region.ID, error) {
		return tx.Containers(ctx, home, parent.Org, of)
	})
	if err != nil {
		return err
	}
	if !held {
		return fmt.Errorf("%w: grant %s does not name %s, nor a group of theirs", ErrForbidden, parent.ID, sharer)
	}
	return nil
}

// checkInside refuses a target outside the parent's.
func (c Commands) checkInside(ctx context.Context, tx Tx, parent Grant, target region.ID) error {
	home := c.homeOf(parent.Target)
	inside, err := reaches([]region.ID{target}, parent.Target, func(of []region.ID) ([]region.ID, error) {
		return tx.ZonesAround(ctx, home, parent.Org, of)
	})
	if err != nil {
		return err
	}
	if !inside {
		return fmt.Errorf("%w: %s is not inside %s, which grant %s opens", ErrForbidden, target, parent.Target, parent.ID)
	}
	return nil
}

// reaches says whether one goes upwards from some ids and meets another, in at most as many levels as anybody evaluates.
func reaches(from []region.ID, looked region.ID, up func([]region.ID) ([]region.ID, error)) (bool, error) {
	seen := map[region.ID]bool{}
	for level := 0; len(from) > 0 && level <= policy.MaxGroupDepth; level++ {
		if slices.Contains(from, looked) {
			return true, nil
		}
		for _, id := range from {
			seen[id] = true
		}
		next, err := up(from)
		if err != nil {
			return false, err
		}
		from = slices.DeleteFunc(next, func(id region.ID) bool { return seen[id] })
	}
	return false, nil
}
