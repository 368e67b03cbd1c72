package policy

// passback is what passing the door's borders in the request's direction violates: the
// zone, and AntiPassbackHard or AntiPassbackSoft; AntiPassbackUnspecified: nothing. A
// hard violation goes before a soft one, then the smallest id.
func (q *question) passback() (worst ZoneID, violation AntiPassbackMode) {
	if !q.passes() {
		return "", AntiPassbackUnspecified
	}
	for _, zone := range q.door.Zones {
		rule := q.antiPassback(zone)
		if rule == nil || !q.violates(zone, rule) {
			continue
		}
		mode := rule.mode()
		if violation == AntiPassbackUnspecified || mode < violation || mode == violation && zone < worst {
			worst, violation = zone, mode
		}
	}
	return worst, violation
}

// antiPassback is the rule at the border of a zone; nil: none, or the zone is not known.
func (q *question) antiPassback(id ZoneID) *AntiPassback {
	zone, _ := q.facts.Zone(id)
	return zone.AntiPassback
}

// passes tells whether somebody goes a way that a border knows.
func (q *question) passes() bool {
	return q.req.Person != "" && (q.req.Direction == DirectionEntry || q.req.Direction == DirectionExit)
}

// violates tells whether the person is remembered on the side to which they want to go.
func (q *question) violates(zone ZoneID, rule *AntiPassback) bool {
	was, ok := q.state.Presence[zone]
	if !ok || was.Inside != (q.req.Direction == DirectionEntry) {
		return false
	}
	return rule.ResetAfter <= 0 || q.at.Sub(was.Since) < rule.ResetAfter
}

// mode is AntiPassbackSoft, or AntiPassbackHard for all other numbers.
func (r *AntiPassback) mode() AntiPassbackMode {
	if r.Mode == AntiPassbackSoft {
		return AntiPassbackSoft
	}
	return AntiPassbackHard
}

// hardBorder tells whether the door is a border of a zone with hard anti-passback.
func (q *question) hardBorder() bool {
	for _, zone := range q.door.Zones {
		if rule := q.antiPassback(zone); rule != nil && rule.mode() == AntiPassbackHard {
			return true
		}
	}
	return false
}
