package policy

import "time"

// judged is what one grant, which names the person and the door, says by itself.
type judged struct {
	// reason is ReasonGrant, or why it does not open.
	reason Reason
	// grant is one of the facts; nil: there is none.
	grant *Grant
	// limited: it, or a grant of which it is a share, has a use limit.
	limited bool
}

// best judges every grant that names one of the subjects and one of the targets, and
// returns the closest to opening.
func (q *question) best(r reached) judged {
	best := judged{reason: ReasonNoGrant}
	if q.groupsTooDeep {
		best.reason = ReasonBrokenFacts
	}
	for _, subject := range r.subjects {
		for _, target := range r.targets {
			grants := q.facts.Grants(subject, target)
			for i := range grants {
				if best.settled(&grants[i]) {
					continue
				}
				if j := q.judge(r, &grants[i]); j.closer(&best) {
					best = j
				}
			}
		}
	}
	return best
}

// settled tells that g could not be named, whatever it says.
func (j *judged) settled(g *Grant) bool {
	return j.reason == ReasonGrant && !j.limited && g.ID >= j.grant.ID
}

// judge says what one grant means at the moment.
func (q *question) judge(r reached, g *Grant) judged {
	j := judged{grant: g}
	if j.reason = timely(q.facts, g, q.at); j.reason != ReasonGrant {
		return j
	}
	held := q.held(r, g)
	j.limited = held.limited
	switch {
	case held.ended:
		j.reason = ReasonShareEnded
	case held.spent:
		j.reason = ReasonUsesExhausted
	case q.locked && held.rank < q.lockdown.Rank:
		j.reason = ReasonLockdown
	}
	return j
}

// timely is ReasonGrant when the validity and the schedule of a grant hold, or why not.
func timely(facts Facts, g *Grant, at time.Time) Reason {
	switch {
	case !g.ValidFrom.IsZero() && at.Before(g.ValidFrom):
		return ReasonNotYetValid
	case !g.ValidTo.IsZero() && !at.Before(g.ValidTo):
		return ReasonExpired
	case g.Schedule == "":
		return ReasonGrant
	}
	schedule, ok := facts.Schedule(g.Schedule)
	if !ok || schedule == nil {
		return ReasonBrokenFacts
	}
	if !schedule.Contains(at) {
		return ReasonOutsideSchedule
	}
	return ReasonGrant
}

// closer tells whether a came closer to opening the door than b. What a grant says goes
// before what none says: it tells more. Of grants that hold, one without use limit goes
// before: nobody wants to use up what they do not need.
func (j *judged) closer(b *judged) bool {
	if rj, rb := closeness(j.reason), closeness(b.reason); rj != rb {
		return rj < rb
	}
	if b.grant == nil || j.grant == nil {
		return b.grant == nil
	}
	if j.reason == ReasonGrant && j.limited != b.limited {
		return b.limited
	}
	return j.grant.ID < b.grant.ID
}

// closeness orders the reasons that a grant can give, the closest to opening first.
func closeness(r Reason) int {
	switch r {
	case ReasonGrant:
		return 0
	case ReasonLockdown: // would open but for it
		return 1
	case ReasonBrokenFacts: // might open; somebody has to mend the facts
		return 2
	case ReasonUsesExhausted: // the right person at the right time, once too often
		return 3
	case ReasonShareEnded: // at the right time, but whoever shared it lost it
		return 4
	case ReasonOutsideSchedule: // on the right day
		return 5
	case ReasonNotYetValid: // will hold
		return 6
	case ReasonExpired: // held
		return 7
	default:
		return 8
	}
}

// decision names what was judged.
func (j *judged) decision() Decision {
	d := Deny(j.reason)
	if j.reason == ReasonGrant {
		d.Outcome = Granted
	}
	if j.grant != nil {
		d.Grant = j.grant.ID
		if j.reason != ReasonNotYetValid && j.reason != ReasonExpired { // then it was not asked
			d.Schedule = j.grant.Schedule
		}
	}
	return d
}
