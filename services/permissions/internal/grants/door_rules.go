package grants

import (
	"context"
	"fmt"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// checkRules finds what a door's rules name: schedules of the door's region, and groups of its jurisdiction. People are not
// known here and are taken as they are.
func (c Commands) checkRules(ctx context.Context, tx Tx, home region.Name, d Door) error {
	for field, id := range d.Rules.schedules() {
		if err := c.allIn(home, id); err != nil {
			return fmt.Errorf("rules.%s: %w", field, err)
		}
		if _, err := tx.Schedule(ctx, d.Org, id); err != nil {
			return fmt.Errorf("rules.%s: %w", field, err)
		}
	}
	if first := d.Rules.FirstPerson; first != nil {
		if first.Schedule == "" && d.Rules.AutoUnlock == "" {
			return fmt.Errorf("%w: rules.first_person.schedule_id: needed where the door has no auto_unlock_schedule_id", ErrInvalid)
		}
		if err := c.checkSubject(ctx, tx, home, d.Org, "rules.first_person.subject_id", first.Subject); err != nil {
			return err
		}
	}
	return c.checkOffline(ctx, tx, home, d)
}

// checkOffline finds whom a door's locks are to admit when they have been alone for too long.
func (c Commands) checkOffline(ctx context.Context, tx Tx, home region.Name, d Door) error {
	const field = "rules.offline.emergency_subject_id"
	offline := d.Rules.Offline
	switch {
	case offline == nil:
		return nil
	case offline.After == OfflineEmergencyList && offline.Emergency == "":
		return fmt.Errorf("%w: %s: needed with OFFLINE_AFTER_EMERGENCY_LIST", ErrInvalid, field)
	case offline.After != OfflineEmergencyList && offline.Emergency != "":
		return fmt.Errorf("%w: %s: only with OFFLINE_AFTER_EMERGENCY_LIST", ErrInvalid, field)
	}
	return c.checkSubject(ctx, tx, home, d.Org, field, offline.Emergency)
}

// checkSubject finds a group that a door's rule names. Of a group of another jurisdiction the members would be known here only while
// a grant names it.
func (c Commands) checkSubject(ctx context.Context, tx Tx, home region.Name, org region.ID, field string, subject policy.SubjectID) error {
	group := region.ID(subject)
	if group.Kind() != region.Group {
		return nil
	}
	if !c.Regions.Together(home, c.homeOf(group)) {
		return fmt.Errorf("%s: %s is of another jurisdiction: %w", field, group, ErrOtherHome)
	}
	if _, err := tx.Group(ctx, org, group); err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	return nil
}

// schedules are those that the rules name, by field.
func (r DoorRules) schedules() map[string]region.ID {
	named := map[string]region.ID{}
	add := func(field string, id policy.ScheduleID) {
		if id != "" {
			named[field] = region.ID(id)
		}
	}
	add("auto_unlock_schedule_id", r.AutoUnlock)
	if r.FirstPerson != nil {
		add("first_person.schedule_id", r.FirstPerson.Schedule)
	}
	if r.SecondFactor != nil {
		add("second_factor.schedule_id", r.SecondFactor.Schedule)
	}
	return named
}
