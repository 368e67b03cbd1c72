package policy

// obey asks the door's rules about somebody whom a grant admits: it adds the effects of
// the passage to d, or turns it into a denial.
func (q *question) obey(r reached, d *Decision, best *judged) {
	partner, theirs := q.partner(r)
	zone, violation := q.passback()
	switch {
	case violation == AntiPassbackHard:
		d.deny(ReasonAntiPassback)
		d.Zone = zone
	case q.firstPersonNeeded(r, partner):
		d.deny(ReasonFirstPersonNeeded)
	case q.secondFactorAsked() && q.req.SecondFactor == FactorNone:
		d.deny(ReasonSecondFactorNeeded)
	case q.secondFactorAsked() && q.req.SecondFactor != FactorRight:
		d.deny(ReasonSecondFactorWrong)
	case q.door.Rules.TwoPersonWindow != 0 && partner == "":
		d.deny(ReasonSecondPersonNeeded)
		d.Effects = []Effect{{Kind: EffectWait}}
	default:
		if violation == AntiPassbackSoft {
			d.Warning, d.Zone = ReasonAntiPassback, zone
		}
		d.Effects = q.effects(r, best, partner, &theirs)
	}
}

func (d *Decision) deny(reason Reason) { d.Outcome, d.Reason = Denied, reason }

// partner is the other person who waits at a door that asks for two, and the grant that
// admits them still; empty: nobody does.
func (q *question) partner(r reached) (PersonID, judged) {
	window, w := q.door.Rules.TwoPersonWindow, &q.state.Waiting
	since := q.at.Sub(w.Since)
	if window <= 0 || w.Person == "" || w.Person == q.req.Person || since < 0 || since > window {
		return "", judged{}
	}
	var room [subjectsOnStack]SubjectID
	subjects, _ := subjectsOf(q.facts, w.Person, room[:0])
	theirs := q.best(reached{w.Person, subjects, r.targets})
	if theirs.reason != ReasonGrant {
		return "", judged{} // revoked, ended or locked out meanwhile
	}
	return w.Person, theirs
}

// firstPersonNeeded tells whether the door holds others until a first person arrives,
// none has, and neither the person nor the partner may be the first.
func (q *question) firstPersonNeeded(r reached, partner PersonID) bool {
	rule := q.door.Rules.FirstPerson
	return rule != nil && rule.HoldOthers && !q.mayBeFirst(r, partner) &&
		firstPiece(q.facts, &q.door.Rules, q.at).waits(&q.state, q.at)
}

// mayBeFirst tells whether the person, whom a grant admits, or the partner may be the first.
func (q *question) mayBeFirst(r reached, partner PersonID) bool {
	subject := q.door.Rules.FirstPerson.Subject
	return subject == "" || q.isIn(r, q.req.Person, subject) || q.isIn(r, partner, subject)
}

// secondFactorAsked tells whether one credential is not enough. A schedule that is
// missing asks at all times.
func (q *question) secondFactorAsked() bool {
	rule := q.door.Rules.SecondFactor
	if rule == nil || rule.Schedule == "" {
		return rule != nil
	}
	schedule, ok := q.facts.Schedule(rule.Schedule)
	return !ok || schedule == nil || schedule.Contains(q.at)
}

// conditions are why the door may still deny somebody whom a grant admits; ascending.
func (q *question) conditions(r reached, best *judged) []Reason {
	var all []Reason
	if best.limited {
		all = append(all, ReasonUsesExhausted)
	}
	if q.hardBorder() {
		all = append(all, ReasonAntiPassback)
	}
	if q.firstPersonNeeded(r, "") {
		all = append(all, ReasonFirstPersonNeeded)
	}
	if q.secondFactorAsked() {
		all = append(all, ReasonSecondFactorNeeded)
	}
	if q.door.Rules.TwoPersonWindow != 0 {
		all = append(all, ReasonSecondPersonNeeded)
	}
	return all
}
