package grants

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// Commands are the writes of permissions. Each runs in the transaction that it is given.
type Commands struct {
	Regions *region.Map
}

// Created names what a command made, and its commit.
type Created struct {
	ID    region.ID
	Token Token
}

// DefaultUnlock is how long an unlock lasts at a door that does not say: long enough for a hand to reach the handle.
const DefaultUnlock = 5 * time.Second

// CreateSite makes a site. The organization may be of another jurisdiction: that the caller belongs to it is proof enough.
func (c Commands) CreateSite(ctx context.Context, tx Tx, home region.Name, s Site) (Created, error) {
	if err := checkName(s.Name); err != nil {
		return Created{}, err
	}
	if _, err := policy.ValidateTimeZone(s.TimeZone); err != nil {
		return Created{}, fmt.Errorf("%w: time_zone: %w", ErrInvalid, err)
	}
	commit, err := tx.Commit(ctx, home, s.Org)
	if err != nil {
		return Created{}, err
	}
	if s.ID, err = c.newID(region.Site, home); err != nil {
		return Created{}, err
	}
	if err := tx.AddSite(ctx, commit, s); err != nil {
		return Created{}, err
	}
	return Created{s.ID, commit.Token()}, commit.Record(SiteCreated{s})
}

// CreateDoor makes a door of a site.
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
	d.TimeZone = site.TimeZone
	if d.UnlockFor == 0 {
		d.UnlockFor = DefaultUnlock
	}
	if d.ID, err = c.newID(region.Door, home); err != nil {
		return Created{}, err
	}
	if err := tx.AddDoor(ctx, commit, d); err != nil {
		return Created{}, err
	}
	return Created{d.ID, commit.Token()}, commit.Record(DoorCreated{d})
}

// CreateZone makes a zone of doors that all live in its region. Its doors' published facts change with it.
func (c Commands) CreateZone(ctx context.Context, tx Tx, home region.Name, z Zone) (Created, error) {
	if err := checkName(z.Name); err != nil {
		return Created{}, err
	}
	for _, id := range z.Doors {
		if !c.in(home, id) {
			return Created{}, fmt.Errorf("zone in %s, door %s: %w", home, id, ErrOtherHome)
		}
	}
	commit, err := tx.Commit(ctx, home, z.Org)
	if err != nil {
		return Created{}, err
	}
	if z.ID, err = c.newID(region.Zone, home); err != nil {
		return Created{}, err
	}
	doors, err := tx.Doors(ctx, home, z.Org, z.Doors)
	if err != nil {
		return Created{}, err
	}
	for i := range doors {
		doors[i].Zones = append(doors[i].Zones, z.ID)
		slices.Sort(doors[i].Zones)
	}
	z.Site = doors[0].Site
	if err := tx.AddZone(ctx, commit, z); err != nil {
		return Created{}, err
	}
	return Created{z.ID, commit.Token()}, commit.Record(ZoneCreated{z, doors})
}

// CreateSchedule makes a schedule in a site's time zone.
func (c Commands) CreateSchedule(ctx context.Context, tx Tx, s Schedule) (Created, error) {
	if err := checkName(s.Name); err != nil {
		return Created{}, err
	}
	if err := policy.ValidateSchedule(s.Spec); err != nil {
		return Created{}, fmt.Errorf("%w: spec: %w", ErrInvalid, err)
	}
	home, commit, err := c.commitAt(ctx, tx, s.Site, s.Org)
	if err != nil {
		return Created{}, err
	}
	site, err := tx.Site(ctx, s.Org, s.Site)
	if err != nil {
		return Created{}, err
	}
	s.TimeZone = site.TimeZone
	if s.ID, err = c.newID(region.Schedule, home); err != nil {
		return Created{}, err
	}
	if err := tx.AddSchedule(ctx, commit, s); err != nil {
		return Created{}, err
	}
	return Created{s.ID, commit.Token()}, commit.Record(ScheduleCreated{s})
}

// commitAt begins the organization's commit in the home of an id. Creates do so before they read: writers of one
// organization then wait for each other instead of running again.
func (c Commands) commitAt(ctx context.Context, tx Tx, id, org region.ID) (region.Name, Commit, error) {
	home, err := c.Regions.Home(id)
	if err != nil {
		return "", nil, err
	}
	commit, err := tx.Commit(ctx, home.Name, org)
	return home.Name, commit, err
}

func (c Commands) newID(kind region.Kind, home region.Name) (region.ID, error) {
	r, err := c.Regions.Lookup(home)
	if err != nil {
		return "", err
	}
	return region.NewID(kind, r.Code), nil
}

// in says whether an id lives in a region.
func (c Commands) in(home region.Name, id region.ID) bool {
	r, err := c.Regions.Home(id)
	return err == nil && r.Name == home
}

// checkName refuses names that nobody can read on a screen. Lengths are checked at the door of the service.
func checkName(name string) error {
	switch {
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: name: not UTF-8", ErrInvalid)
	case strings.TrimSpace(name) != name || name == "":
		return fmt.Errorf("%w: name: empty, or begins or ends with a space", ErrInvalid)
	case strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("%w: name: has a control character", ErrInvalid)
	}
	return nil
}
