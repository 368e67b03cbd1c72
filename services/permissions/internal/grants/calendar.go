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

// CreateCalendar makes a list of dates that schedules of its region can observe.
func (c Commands) CreateCalendar(ctx context.Context, tx Tx, home region.Name, k Calendar) (Created, error) {
	if err := checkCalendar(k); err != nil {
		return Created{}, err
	}
	commit, err := tx.Commit(ctx, home, k.Org)
	if err != nil {
		return Created{}, err
	}
	if k.ID, err = c.newID(region.Calendar, home); err != nil {
		return Created{}, err
	}
	k.Since, k.Version = commit.At(), commit.Token().Version
	if err := tx.AddCalendar(ctx, commit, k); err != nil {
		return Created{}, err
	}
	return Created{k.ID, commit.Token()}, commit.Record(CalendarCreated{k})
}

// UpdateCalendar gives a calendar another name and other dates, from the commit's moment or e.EffectiveAt on. The
// schedules that observe it change with it. It returns the calendar as it is then.
func (c Commands) UpdateCalendar(ctx context.Context, tx Tx, k Calendar, e Edit) (Calendar, Token, error) {
	if err := checkCalendar(k); err != nil {
		return k, Token{}, err
	}
	was, err := tx.Calendar(ctx, k.Org, k.ID)
	if err != nil {
		return k, Token{}, err
	}
	same := k.Name == was.Name && slices.Equal(k.Holidays, was.Holidays)
	if needed, err := e.needed(same, was.Since, was.Version); err != nil {
		return was, Token{}, err
	} else if !needed {
		token, err := c.head(ctx, tx, k.ID, k.Org)
		return was, token, err
	}
	observers, err := c.observers(ctx, tx, k)
	if err != nil {
		return k, Token{}, err
	}
	commit, from, err := c.begin(ctx, tx, k.ID, k.Org, e)
	if err != nil {
		return k, Token{}, err
	}
	k.Since, k.Version = from, commit.Token().Version
	if err := tx.SetCalendar(ctx, commit, k, from); err != nil {
		return k, Token{}, err
	}
	return k, commit.Token(), commit.Record(CalendarUpdated{k, e.EffectiveAt, observers})
}

// observers are the schedules that observe a calendar, with the dates that it is to have.
func (c Commands) observers(ctx context.Context, tx Tx, k Calendar) ([]Schedule, error) {
	observers, err := tx.Observers(ctx, k.Org, k.ID)
	if err != nil {
		return nil, err
	}
	for i, s := range observers {
		calendars, err := tx.Calendars(ctx, c.homeOf(k.ID), k.Org, lacking(s.Calendars, k.ID))
		if err != nil {
			return nil, err
		}
		observers[i].Spec.Holidays = HolidaysOf(append(calendars, k))
		if err := checkSpec(observers[i].Spec); err != nil {
			return nil, fmt.Errorf("schedule %s: %w", s.ID, err)
		}
	}
	return observers, nil
}

// DeleteCalendar ends a calendar that no schedule observes (ErrForbidden otherwise).
func (c Commands) DeleteCalendar(ctx context.Context, tx Tx, org, id region.ID, etag string) (Token, error) {
	k, err := tx.Calendar(ctx, org, id)
	if err != nil {
		return c.gone(ctx, tx, id, org, err)
	}
	if err := checkEtag(etag, k.Version); err != nil {
		return Token{}, err
	}
	observers, err := tx.Observers(ctx, org, id)
	if err != nil {
		return Token{}, err
	}
	if len(observers) > 0 {
		return Token{}, fmt.Errorf("calendar %s is observed by %s: %w", id, observers[0].ID, ErrForbidden)
	}
	_, commit, err := c.commitAt(ctx, tx, id, org)
	if err != nil {
		return Token{}, err
	}
	if err := tx.End(ctx, commit, id); err != nil {
		return Token{}, err
	}
	return commit.Token(), commit.Record(CalendarDeleted{k})
}

func checkCalendar(k Calendar) error {
	if err := checkName(k.Name); err != nil {
		return err
	}
	seen := map[policy.Holiday]bool{}
	for i, h := range k.Holidays {
		if _, err := time.Parse(time.DateOnly, h.Date); err != nil {
			return fmt.Errorf("%w: holidays[%d].date: %q is not a date like 2026-12-25", ErrInvalid, i, h.Date)
		}
		if seen[h.Holiday] {
			return fmt.Errorf("%w: holidays[%d].date: %s is in the list twice", ErrInvalid, i, h.Date)
		}
		seen[h.Holiday] = true
		if !plain(h.Name) {
			return fmt.Errorf("%w: holidays[%d].name: not UTF-8, or with a control character", ErrInvalid, i)
		}
	}
	return nil
}

// plain says whether a text that may be empty can be shown on a screen.
func plain(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}
