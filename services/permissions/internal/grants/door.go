package grants

import (
	"context"
	"reflect"
	"slices"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// DefaultUnlock is how long an unlock lasts at a door that does not say: long enough for a hand to reach the handle.
const DefaultUnlock = 5 * time.Second

// CreateDoor makes a door of a site. Schedules that its rules name must live in its region.
func (c Commands) CreateDoor(ctx context.Context, tx Tx, d Door) (Created, error) {
	if err := checkName(d.Name); err != nil {
		return Created{}, err
	}
	home, commit, err := c.commitAt(ctx, tx, d.Site, d.Org)
	if err != nil {
		return Created{}, err
	}
	site, err := tx.Site(ctx, d.Org, d.Site)
	if err != nil {
		return Created{}, err
	}
	if err := c.checkRules(ctx, tx, home, d); err != nil {
		return Created{}, err
	}
	d.TimeZone = site.TimeZone
	if d.UnlockFor == 0 {
		d.UnlockFor = DefaultUnlock
	}
	if d.ID, err = c.newID(region.Door, home); err != nil {
		return Created{}, err
	}
	d.Since, d.Version = commit.At(), commit.Token().Version
	if err := tx.AddDoor(ctx, commit, d); err != nil {
		return Created{}, err
	}
	return Created{d.ID, commit.Token()}, commit.Record(DoorCreated{d})
}

// UpdateDoor gives a door another name, unlock time and rules, from the commit's moment or e.EffectiveAt on. It returns the
// door as it is then.
func (c Commands) UpdateDoor(ctx context.Context, tx Tx, d Door, e Edit) (Door, Token, error) {
	if err := checkName(d.Name); err != nil {
		return d, Token{}, err
	}
	if d.UnlockFor == 0 {
		d.UnlockFor = DefaultUnlock
	}
	was, err := tx.Door(ctx, d.Org, d.ID)
	if err != nil {
		return d, Token{}, err
	}
	d.Site, d.TimeZone, d.Zones = was.Site, was.TimeZone, was.Zones
	same := d.Name == was.Name && d.UnlockFor == was.UnlockFor && reflect.DeepEqual(d.Rules, was.Rules)
	if needed, err := e.needed(same, was.Since, was.Version); err != nil {
		return was, Token{}, err
	} else if !needed {
		token, err := c.head(ctx, tx, d.ID, d.Org)
		return was, token, err
	}
	if err := c.checkRules(ctx, tx, c.homeOf(d.ID), d); err != nil {
		return d, Token{}, err
	}
	commit, from, err := c.begin(ctx, tx, d.ID, d.Org, e)
	if err != nil {
		return d, Token{}, err
	}
	d.Since, d.Version = from, commit.Token().Version
	if err := tx.SetDoor(ctx, commit, d, from); err != nil {
		return d, Token{}, err
	}
	return d, commit.Token(), commit.Record(DoorUpdated{d, e.EffectiveAt})
}

// DeleteDoor ends a door, its grants with all shares of them, and its lockdowns. It leaves its zones.
func (c Commands) DeleteDoor(ctx context.Context, tx Tx, org, id region.ID, etag string) (Token, error) {
	d, err := tx.Door(ctx, org, id)
	if err != nil {
		return c.gone(ctx, tx, id, org, err)
	}
	if err := checkEtag(etag, d.Version); err != nil {
		return Token{}, err
	}
	home, commit, err := c.commitAt(ctx, tx, id, org)
	if err != nil {
		return Token{}, err
	}
	zones, err := tx.Zones(ctx, home, org, d.Zones)
	if err != nil {
		return Token{}, err
	}
	for _, z := range zones {
		z.Doors = lacking(z.Doors, id)
		if err := lose(ctx, tx, commit, z); err != nil {
			return Token{}, err
		}
	}
	if err := tx.End(ctx, commit, id); err != nil {
		return Token{}, err
	}
	if err := c.endAllOf(ctx, tx, commit, id); err != nil {
		return Token{}, err
	}
	return commit.Token(), commit.Record(DoorDeleted{d})
}

// lose records a zone from which something went that is deleted in the same commit.
func lose(ctx context.Context, tx Tx, commit Commit, z Zone) error {
	z.Since, z.Version = commit.At(), commit.Token().Version
	if err := tx.SetZone(ctx, commit, z, z.Since); err != nil {
		return err
	}
	return commit.Record(ZoneUpdated{Zone: z})
}

func lacking(ids []region.ID, id region.ID) []region.ID {
	return slices.DeleteFunc(slices.Clone(ids), func(other region.ID) bool { return other == id })
}
