package grants

import (
	"context"
	"fmt"
	"slices"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// checkZoneNesting refuses zones inside a zone with which it would contain itself, or be nested deeper than anybody
// evaluates. It looks at how things are now; a late fact may make a circle in the past, which package policy endures.
func (c Commands) checkZoneNesting(ctx context.Context, tx Tx, home region.Name, z Zone, inside []region.ID) error {
	if len(inside) == 0 {
		return nil
	}
	if slices.Contains(inside, z.ID) {
		return fmt.Errorf("zone %s in itself: %w", z.ID, ErrCycle)
	}
	below, met, err := zoneLevels(inside, z.ID, func(of []region.ID) ([]region.ID, error) {
		return tx.ZonesInside(ctx, home, z.Org, of)
	})
	if err != nil {
		return err
	}
	if met {
		return fmt.Errorf("zone %s is already inside one of zone_ids: %w", z.ID, ErrCycle)
	}
	above, _, err := zoneLevels([]region.ID{z.ID}, "", func(of []region.ID) ([]region.ID, error) {
		return tx.ZonesAround(ctx, home, z.Org, of)
	})
	if err != nil {
		return err
	}
	if above+below > policy.MaxGroupDepth {
		return fmt.Errorf("%w: zones in zones, more than %d levels", ErrTooDeep, policy.MaxGroupDepth)
	}
	return nil
}

// zoneLevels counts the zones on the longest way onwards from some, these included, and says whether it meets one. It
// stops beyond the bound, so that broken facts cost no more than that.
func zoneLevels(from []region.ID, looked region.ID, next func([]region.ID) ([]region.ID, error)) (depth int, met bool, err error) {
	for level := from; len(level) > 0 && depth <= policy.MaxGroupDepth; depth++ {
		if looked != "" && slices.Contains(level, looked) {
			return depth, true, nil
		}
		if level, err = next(level); err != nil {
			return 0, false, err
		}
	}
	return depth, false, nil
}
