package grants

import (
	"context"
	"fmt"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// CreateSite makes a site. The organization may be of another jurisdiction: that the caller belongs to it is proof enough.
func (c Commands) CreateSite(ctx context.Context, tx Tx, home region.Name, s Site) (Created, error) {
	if err := checkSite(s); err != nil {
		return Created{}, err
	}
	commit, err := tx.Commit(ctx, home, s.Org)
	if err != nil {
		return Created{}, err
	}
	if s.ID, err = c.newID(region.Site, home); err != nil {
		return Created{}, err
	}
	s.Since, s.Version = commit.At(), commit.Token().Version
	if err := tx.AddSite(ctx, commit, s); err != nil {
		return Created{}, err
	}
	return Created{s.ID, commit.Token()}, commit.Record(SiteCreated{s})
}

// UpdateSite makes a site what s says, from the commit's moment or e.EffectiveAt on. Its schedules move to its time zone
// with it. It returns the site as it is then.
func (c Commands) UpdateSite(ctx context.Context, tx Tx, s Site, e Edit) (Site, Token, error) {
	if err := checkSite(s); err != nil {
		return s, Token{}, err
	}
	was, err := tx.Site(ctx, s.Org, s.ID)
	if err != nil {
		return s, Token{}, err
	}
	same := s.Name == was.Name && s.TimeZone == was.TimeZone
	if needed, err := e.needed(same, was.Since, was.Version); err != nil {
		return was, Token{}, err
	} else if !needed {
		token, err := c.head(ctx, tx, s.ID, s.Org)
		return was, token, err
	}
	schedules, err := schedulesOf(ctx, tx, s)
	if err != nil {
		return s, Token{}, err
	}
	change := SiteUpdated{EffectiveAt: e.EffectiveAt}
	if s.TimeZone != was.TimeZone {
		if change.Doors, err = doorsOf(ctx, tx, s); err != nil {
			return s, Token{}, err
		}
	}
	commit, from, err := c.begin(ctx, tx, s.ID, s.Org, e)
	if err != nil {
		return s, Token{}, err
	}
	s.Since, s.Version = from, commit.Token().Version
	if err := tx.SetSite(ctx, commit, s, from); err != nil {
		return s, Token{}, err
	}
	if err := tx.MoveSchedules(ctx, commit, s.ID, s.TimeZone, from); err != nil {
		return s, Token{}, err
	}
	change.Site = s
	if err := commit.Record(change); err != nil {
		return s, Token{}, err
	}
	return s, commit.Token(), recordMoved(commit, schedules, s, e)
}

// recordMoved tells of the schedules that a site's other time zone has changed.
func recordMoved(commit Commit, schedules []Schedule, s Site, e Edit) error {
	for _, schedule := range schedules {
		if schedule.TimeZone == s.TimeZone {
			continue
		}
		schedule.TimeZone, schedule.Version = s.TimeZone, s.Version
		if err := commit.Record(ScheduleUpdated{schedule, e.EffectiveAt}); err != nil {
			return err
		}
	}
	return nil
}

// DeleteSite ends a site that has no doors and schedules (ErrForbidden otherwise), and its lockdowns.
func (c Commands) DeleteSite(ctx context.Context, tx Tx, org, id region.ID, etag string) (Token, error) {
	s, err := tx.Site(ctx, org, id)
	if err != nil {
		return c.gone(ctx, tx, id, org, err)
	}
	if err := checkEtag(etag, s.Version); err != nil {
		return Token{}, err
	}
	doors, err := tx.ListDoors(ctx, org, id, "", 1)
	if err != nil {
		return Token{}, err
	}
	if len(doors) > 0 {
		return Token{}, fmt.Errorf("site %s has the door %s: %w", id, doors[0].ID, ErrForbidden)
	}
	schedules, err := tx.ListSchedules(ctx, org, id, "", 1)
	if err != nil {
		return Token{}, err
	}
	if len(schedules) > 0 {
		return Token{}, fmt.Errorf("site %s has the schedule %s: %w", id, schedules[0].ID, ErrForbidden)
	}
	_, commit, err := c.commitAt(ctx, tx, id, org)
	if err != nil {
		return Token{}, err
	}
	if err := tx.End(ctx, commit, id); err != nil {
		return Token{}, err
	}
	if err := c.endAllOf(ctx, tx, commit, id); err != nil {
		return Token{}, err
	}
	return commit.Token(), commit.Record(SiteDeleted{s})
}

func checkSite(s Site) error {
	if err := checkName(s.Name); err != nil {
		return err
	}
	if _, err := policy.ValidateTimeZone(s.TimeZone); err != nil {
		return fmt.Errorf("%w: time_zone: %w", ErrInvalid, err)
	}
	return nil
}

// doorsOf returns a site's doors, in the time zone that the site is to have.
func doorsOf(ctx context.Context, tx Tx, s Site) ([]Door, error) {
	doors, err := all(func(after string, limit int) ([]Door, error) { return tx.ListDoors(ctx, s.Org, s.ID, after, limit) },
		func(d Door) region.ID { return d.ID })
	for i := range doors {
		doors[i].TimeZone = s.TimeZone
	}
	return doors, err
}

func schedulesOf(ctx context.Context, tx Tx, s Site) ([]Schedule, error) {
	return all(func(after string, limit int) ([]Schedule, error) {
		return tx.ListSchedules(ctx, s.Org, s.ID, after, limit)
	}, func(s Schedule) region.ID { return s.ID })
}
