package grants

import (
	"context"
	"fmt"
	"slices"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// checkNesting looks up from the group and down from the group that is to be put into it. Copies of other jurisdictions'
// groups count as far as they are known here; what is not known here cannot be refused, and does no harm when it is
// evaluated (package policy meets each group once).
func (c Commands) checkNesting(ctx context.Context, tx Tx, home region.Name, org region.ID, m Membership) error {
	if c.Regions.Together(home, c.homeOf(m.Member)) {
		if _, err := tx.Group(ctx, org, m.Member); err != nil {
			return err
		}
	}
	if m.Member == m.Group {
		return fmt.Errorf("group %s in itself: %w", m.Group, ErrCycle)
	}
	below, inside, err := levels(m.Member, m.Group, func(of []region.ID) ([]region.ID, error) {
		return tx.Contents(ctx, home, org, of)
	})
	if err != nil {
		return err
	}
	if inside {
		return fmt.Errorf("group %s is already inside %s: %w", m.Group, m.Member, ErrCycle)
	}
	above, _, err := levels(m.Group, "", func(of []region.ID) ([]region.ID, error) {
		return tx.Containers(ctx, home, org, of)
	})
	if err != nil {
		return err
	}
	if above+below > policy.MaxGroupDepth {
		return fmt.Errorf("%w: more than %d levels", ErrTooDeep, policy.MaxGroupDepth)
	}
	return nil
}

// levels counts the groups on the longest way from a group onwards, itself included, and says whether it meets another.
// It stops beyond the bound, so that broken facts cost no more than that.
func levels(from, looked region.ID, next func([]region.ID) ([]region.ID, error)) (depth int, met bool, err error) {
	for level := []region.ID{from}; len(level) > 0 && depth <= policy.MaxGroupDepth; depth++ {
		if looked != "" && slices.Contains(level, looked) {
			return depth, true, nil
		}
		if level, err = next(level); err != nil {
			return 0, false, err
		}
	}
	return depth, false, nil
}

func (c Commands) homeOf(id region.ID) region.Name {
	r, _ := c.Regions.Home(id) // parsed at the edge, so it has a home; the zero region is together with none
	return r.Name
}
