package grants

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// CreateSchedule makes a schedule in a site's time zone. The calendars that it observes must live in its region.
func (c Commands) CreateSchedule(ctx context.Context, tx Tx, s Schedule) (Created, error) {
	if err := checkSchedule(s); err != nil {
		return Created{}, err
	}
	home, commit, err := c.commitAt(ctx, tx, s.Site, s.Org)
	if err != nil {
		return Created{}, err
	}
	site, err := tx.Site(ctx, s.Org, s.Site)
	if err != nil {
		return Created{}, err
	}
	if err := c.observe(ctx, tx, home, &s); err != nil {
		return Created{}, err
	}
	s.TimeZone = site.TimeZone
	if s.ID, err = c.newID(region.Schedule, home); err != nil {
		return Created{}, err
	}
	s.Since, s.Version = commit.At(), commit.Token().Version
	if err := tx.AddSchedule(ctx, commit, s); err != nil {
		return Created{}, err
	}
	return Created{s.ID, commit.Token()}, commit.Record(ScheduleCreated{s})
}

// UpdateSchedule gives a schedule another name, spec and calendars, from the commit's moment or e.EffectiveAt on. It
// returns the schedule as it is then.
func (c Commands) UpdateSchedule(ctx context.Context, tx Tx, s Schedule, e Edit) (Schedule, Token, error) {
	if err := checkSchedule(s); err != nil {
		return s, Token{}, err
	}
	was, err := tx.Schedule(ctx, s.Org, s.ID)
	if err != nil {
		return s, Token{}, err
	}
	s.Site, s.TimeZone = was.Site, was.TimeZone
	s.Calendars = ascending(s.Calendars)
	same := s.Name == was.Name && slices.Equal(s.Calendars, was.Calendars) && sameSpec(s.Spec, was.Spec)
	if needed, err := e.needed(same, was.Since, was.Version); err != nil {
		return was, Token{}, err
	} else if !needed {
		token, err := c.head(ctx, tx, s.ID, s.Org)
		return was, token, err
	}
	if err := c.observe(ctx, tx, c.homeOf(s.ID), &s); err != nil {
		return s, Token{}, err
	}
	commit, from, err := c.begin(ctx, tx, s.ID, s.Org, e)
	if err != nil {
		return s, Token{}, err
	}
	s.Since, s.Version = from, commit.Token().Version
	if err := tx.SetSchedule(ctx, commit, s, from); err != nil {
		return s, Token{}, err
	}
	return s, commit.Token(), commit.Record(ScheduleUpdated{s, e.EffectiveAt})
}

// DeleteSchedule ends a schedule that no grant and no door's rules name: ErrForbidden names those that do. Grants that have
// ended do not count.
func (c Commands) DeleteSchedule(ctx context.Context, tx Tx, org, id region.ID, etag string) (Token, error) {
	s, err := tx.Schedule(ctx, org, id)
	if err != nil {
		return c.gone(ctx, tx, id, org, err)
	}
	if err := checkEtag(etag, s.Version); err != nil {
		return Token{}, err
	}
	_, commit, err := c.commitAt(ctx, tx, id, org)
	if err != nil {
		return Token{}, err
	}
	users, err := tx.UsersOf(ctx, org, id, commit.At())
	if err != nil {
		return Token{}, err
	}
	if len(users) > 0 {
		return Token{}, fmt.Errorf("schedule %s is named by %s: %w", id, strings.Join(words(users), ", "), ErrForbidden)
	}
	if err := tx.End(ctx, commit, id); err != nil {
		return Token{}, err
	}
	return commit.Token(), commit.Record(ScheduleDeleted{s})
}

func checkSchedule(s Schedule) error {
	if err := checkName(s.Name); err != nil {
		return err
	}
	return checkSpec(s.Spec)
}

func checkSpec(spec policy.ScheduleSpec) error {
	if err := policy.ValidateSchedule(spec); err != nil {
		return fmt.Errorf("%w: spec: %w", ErrInvalid, err)
	}
	return nil
}

// observe finds a schedule's calendars and takes over their dates.
func (c Commands) observe(ctx context.Context, tx Tx, home region.Name, s *Schedule) error {
	s.Calendars = ascending(s.Calendars)
	if err := c.allIn(home, s.Calendars...); err != nil {
		return fmt.Errorf("spec.holiday_calendar_ids: %w", err)
	}
	calendars, err := tx.Calendars(ctx, home, s.Org, s.Calendars)
	if err != nil {
		return fmt.Errorf("spec.holiday_calendar_ids: %w", err)
	}
	s.Spec.Holidays = HolidaysOf(calendars)
	return checkSpec(s.Spec)
}

// HolidaysOf are the dates of calendars, each once, ascending.
func HolidaysOf(calendars []Calendar) []policy.Holiday {
	var dates []policy.Holiday
	for _, k := range calendars {
		for _, h := range k.Holidays {
			dates = append(dates, h.Holiday)
		}
	}
	slices.SortFunc(dates, compareHolidays)
	return slices.Compact(dates)
}

func compareHolidays(a, b policy.Holiday) int {
	switch by := strings.Compare(a.Date, b.Date); {
	case by != 0 || a.EveryYear == b.EveryYear:
		return by
	case b.EveryYear:
		return -1
	}
	return 1
}

// sameSpec compares what is written in a spec; the dates of its calendars are not.
func sameSpec(a, b policy.ScheduleSpec) bool {
	return slices.Equal(a.Weekly, b.Weekly) && slices.Equal(a.OnHolidays, b.OnHolidays) &&
		slices.EqualFunc(a.Exceptions, b.Exceptions, func(a, b policy.DatedException) bool {
			return a.Date == b.Date && a.EveryYear == b.EveryYear && slices.Equal(a.Intervals, b.Intervals)
		})
}

func words(ids []region.ID) []string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = string(id)
	}
	return all
}
