package policy

import "time"

// StandsOpen tells whether a door stands open for everybody at the moment, and by which
// schedule: the one of its auto-unlock rule holds, no lockdown does, and a first person
// has arrived if one is waited for. A door that is not known, whose schedule is missing,
// or around which zones are nested too deep does not stand open.
//
// Without the state of the door (a zero State) one that waits for a first person does
// not stand open.
func StandsOpen(facts Facts, id DoorID, state State, at time.Time) (ScheduleID, bool) {
	door, ok := facts.Door(id)
	if !ok || door.Rules.AutoUnlock == "" {
		return "", false
	}
	var room [targetsOnStack]TargetID
	targets, tooDeep := targetsOf(facts, &door, id, room[:0])
	if tooDeep {
		return "", false
	}
	if _, locked := hardest(facts, door.Site, targets, at); locked {
		return "", false
	}
	return standing(facts, &door.Rules, &state, at)
}

// standing is StandsOpen but for lockdowns.
func standing(facts Facts, rules *DoorRules, state *State, at time.Time) (ScheduleID, bool) {
	if rules.AutoUnlock == "" {
		return "", false
	}
	schedule, ok := facts.Schedule(rules.AutoUnlock)
	if !ok || schedule == nil || !schedule.Contains(at) {
		return "", false
	}
	if rules.FirstPerson != nil && firstPiece(facts, rules, at).waits(state, at) {
		return "", false
	}
	return rules.AutoUnlock, true
}

// piece is what the first-person rule makes of a moment.
type piece struct {
	// broken: the rule's schedule is missing, or it names none.
	broken bool
	// inside: a piece of the schedule contains the moment; opens is since when an arrival
	// counts for it, end is its end.
	inside     bool
	opens, end time.Time
	grace      time.Duration
}

func firstPiece(facts Facts, rules *DoorRules, at time.Time) piece {
	id := rules.FirstPerson.Schedule
	if id == "" {
		id = rules.AutoUnlock
	}
	schedule, ok := facts.Schedule(id)
	if !ok || schedule == nil {
		return piece{broken: true}
	}
	p := piece{grace: max(rules.FirstPerson.Grace, 0)}
	p.opens, p.end, p.inside = schedule.Interval(at)
	p.opens = p.opens.Add(-p.grace)
	return p
}

// waits tells whether a first person is still waited for.
func (p piece) waits(state *State, at time.Time) bool {
	return p.broken || p.inside && !p.arrived(state.FirstArrival, at)
}

func (p piece) arrived(first, at time.Time) bool {
	return !first.IsZero() && !first.Before(p.opens) && !first.After(at)
}

// counts tells whether an arrival at the moment could count for a piece for which none
// has arrived: the one of now, or one that begins within the grace.
func (p piece) counts(state *State, at time.Time) bool {
	switch {
	case p.broken:
		return false
	case !p.inside:
		return p.grace > 0
	default:
		return !p.arrived(state.FirstArrival, at) || !at.Add(p.grace).Before(p.end)
	}
}
