package grants

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// CreateZone makes a zone of doors and zones that all live in its region; it has at least one of them. Its site is that of
// the first. The published facts of what is in it change with it.
func (c Commands) CreateZone(ctx context.Context, tx Tx, home region.Name, z Zone) (Created, error) {
	if len(z.Doors)+len(z.Zones) == 0 {
		return Created{}, fmt.Errorf("%w: door_ids, zone_ids: a new zone has at least one door or zone", ErrInvalid)
	}
	if err := c.checkZone(home, z); err != nil {
		return Created{}, err
	}
	commit, err := tx.Commit(ctx, home, z.Org)
	if err != nil {
		return Created{}, err
	}
	if z.ID, err = c.newID(region.Zone, home); err != nil {
		return Created{}, err
	}
	around, err := neighbours(ctx, tx, home, z.Org, z.Doors, z.Zones)
	if err != nil {
		return Created{}, err
	}
	if len(around.Doors) > 0 {
		z.Site = around.Doors[0].Site
	} else {
		z.Site = around.Zones[0].Site
	}
	if err := c.checkZoneNesting(ctx, tx, home, z, z.Zones); err != nil {
		return Created{}, err
	}
	around.join(z)
	z.Doors, z.Zones = ascending(z.Doors), ascending(z.Zones)
	z.Since, z.Version = commit.At(), commit.Token().Version
	if err := tx.AddZone(ctx, commit, z); err != nil {
		return Created{}, err
	}
	return Created{z.ID, commit.Token()}, commit.Record(ZoneCreated{z, around})
}

// UpdateZone makes a zone what z says, from the commit's moment or e.EffectiveAt on: it may be emptied. Its site stays. It
// returns the zone as it is then.
func (c Commands) UpdateZone(ctx context.Context, tx Tx, z Zone, e Edit) (Zone, Token, error) {
	home := c.homeOf(z.ID)
	if err := c.checkZone(home, z); err != nil {
		return z, Token{}, err
	}
	was, err := tx.Zone(ctx, z.Org, z.ID)
	if err != nil {
		return z, Token{}, err
	}
	z.Site, z.Parents = was.Site, was.Parents
	z.Doors, z.Zones = ascending(z.Doors), ascending(z.Zones)
	same := z.Name == was.Name && slices.Equal(z.Doors, was.Doors) && slices.Equal(z.Zones, was.Zones) &&
		reflect.DeepEqual(z.AntiPassback, was.AntiPassback)
	if needed, err := e.needed(same, was.Since, was.Version); err != nil {
		return was, Token{}, err
	} else if !needed {
		token, err := c.head(ctx, tx, z.ID, z.Org)
		return was, token, err
	}
	around, err := moved(ctx, tx, home, was, z)
	if err != nil {
		return z, Token{}, err
	}
	if err := c.checkZoneNesting(ctx, tx, home, z, z.Zones); err != nil {
		return z, Token{}, err
	}
	return c.setZone(ctx, tx, z, e, around)
}

func (c Commands) setZone(ctx context.Context, tx Tx, z Zone, e Edit, around Neighbours) (Zone, Token, error) {
	commit, from, err := c.begin(ctx, tx, z.ID, z.Org, e)
	if err != nil {
		return z, Token{}, err
	}
	z.Since, z.Version = from, commit.Token().Version
	if err := tx.SetZone(ctx, commit, z, from); err != nil {
		return z, Token{}, err
	}
	return z, commit.Token(), commit.Record(ZoneUpdated{z, e.EffectiveAt, around})
}

// DeleteZone ends a zone, its grants with all shares of them, and its lockdowns. What was in it stays.
func (c Commands) DeleteZone(ctx context.Context, tx Tx, org, id region.ID, etag string) (Token, error) {
	z, err := tx.Zone(ctx, org, id)
	if err != nil {
		return c.gone(ctx, tx, id, org, err)
	}
	if err := checkEtag(etag, z.Version); err != nil {
		return Token{}, err
	}
	home, commit, err := c.commitAt(ctx, tx, id, org)
	if err != nil {
		return Token{}, err
	}
	around, err := neighbours(ctx, tx, home, org, z.Doors, z.Zones)
	if err != nil {
		return Token{}, err
	}
	around.leave(z.ID)
	parents, err := tx.Zones(ctx, home, org, z.Parents)
	if err != nil {
		return Token{}, err
	}
	for _, parent := range parents {
		parent.Zones = lacking(parent.Zones, id)
		if err := lose(ctx, tx, commit, parent); err != nil {
			return Token{}, err
		}
	}
	if err := tx.End(ctx, commit, id); err != nil {
		return Token{}, err
	}
	if err := c.endAllOf(ctx, tx, commit, id); err != nil {
		return Token{}, err
	}
	return commit.Token(), commit.Record(ZoneDeleted{z, around})
}

func (c Commands) checkZone(home region.Name, z Zone) error {
	if err := checkName(z.Name); err != nil {
		return err
	}
	if err := c.allIn(home, z.Doors...); err != nil {
		return fmt.Errorf("door_ids: %w", err)
	}
	if err := c.allIn(home, z.Zones...); err != nil {
		return fmt.Errorf("zone_ids: %w", err)
	}
	if a := z.AntiPassback; a != nil && a.Mode != policy.AntiPassbackHard && a.Mode != policy.AntiPassbackSoft {
		return fmt.Errorf("%w: anti_passback.mode: hard or soft", ErrInvalid)
	}
	return nil
}

// neighbours reads doors and zones that must be there.
func neighbours(ctx context.Context, tx Tx, home region.Name, org region.ID, doors, zones []region.ID) (n Neighbours, err error) {
	if n.Doors, err = tx.Doors(ctx, home, org, doors); err != nil {
		return n, err
	}
	n.Zones, err = tx.Zones(ctx, home, org, zones)
	return n, err
}

// moved reads what comes into a zone and what goes out, as it is then.
func moved(ctx context.Context, tx Tx, home region.Name, was, z Zone) (Neighbours, error) {
	in, err := neighbours(ctx, tx, home, z.Org, without(z.Doors, was.Doors), without(z.Zones, was.Zones))
	if err != nil {
		return in, err
	}
	out, err := neighbours(ctx, tx, home, z.Org, without(was.Doors, z.Doors), without(was.Zones, z.Zones))
	if err != nil {
		return in, err
	}
	in.join(z)
	out.leave(z.ID)
	return Neighbours{append(in.Doors, out.Doors...), append(in.Zones, out.Zones...)}, nil
}

// join puts all into a zone.
func (n Neighbours) join(z Zone) {
	for i, d := range n.Doors {
		n.Doors[i].Zones = with(d.Zones, z.ID)
	}
	for i, inside := range n.Zones {
		n.Zones[i].Parents = with(inside.Parents, z.ID)
	}
}

// leave takes all out of a zone.
func (n Neighbours) leave(zone region.ID) {
	for i, d := range n.Doors {
		n.Doors[i].Zones = lacking(d.Zones, zone)
	}
	for i, inside := range n.Zones {
		n.Zones[i].Parents = lacking(inside.Parents, zone)
	}
}

// ascending leaves the list that it is given as it is: a command may run again with it.
func ascending(ids []region.ID) []region.ID {
	sorted := slices.Clone(ids)
	slices.Sort(sorted)
	return sorted
}

func with(ids []region.ID, id region.ID) []region.ID {
	longer := append(slices.Clone(ids), id)
	slices.Sort(longer)
	return slices.Compact(longer)
}
