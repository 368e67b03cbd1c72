package grants

import (
	"context"
	"fmt"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// checkRules finds what a door's rules name: schedules of the door's region, and for the first person a group of its
// jurisdiction. People are not known here and are taken as they are.
func (c Commands) checkRules(ctx context.Context, tx Tx, home region.Name, d Door) error {
	for field, id := range d.Rules.schedules() {
		if err := c.allIn(home, id); err != nil {
			return fmt.Errorf("rules.%s: %w", field, err)
		}
		if _, err := tx.Schedule(ctx, d.Org, id); err != nil {
			return fmt.Errorf("rules.%s: %w", field, err)
		}
	}
	first := d.Rules.FirstPerson
	switch {
	case first == nil:
		return nil
	case first.Schedule == "" && d.Rules.AutoUnlock == "":
		return fmt.Errorf("%w: rules.first_person.schedule_id: needed where the door has no auto_unlock_schedule_id", ErrInvalid)
	}
	group := region.ID(first.Subject)
	if group.Kind() != region.Group {
		return nil
	}
	// Of a group of another jurisdiction the members would be known here only while a grant names it.
	if !c.Regions.Together(home, c.homeOf(group)) {
		return fmt.Errorf("rules.first_person.subject_id: %s is of another jurisdiction: %w", group, ErrOtherHome)
	}
	if _, err := tx.Group(ctx, d.Org, group); err != nil {
		return fmt.Errorf("rules.first_person.subject_id: %w", err)
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
