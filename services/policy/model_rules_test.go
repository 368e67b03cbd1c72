package policy_test

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
)

// zone returns one that is known.
func (w world) zone(id policy.ZoneID) policy.Zone {
	for _, z := range w.zones {
		if z.ID == id {
			return z
		}
	}
	return policy.Zone{}
}

// borders are the zones with a rule that the door is directly in, ascending.
func (w world) borders(door policy.Door) []policy.ZoneID {
	var all []policy.ZoneID
	for _, id := range door.Zones {
		if w.zone(id).AntiPassback != nil {
			all = append(all, id)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// wrongSide are the borders that the person may not pass, of one mode.
func (m *model) wrongSide(q asked, soft bool) []policy.ZoneID {
	return slices.DeleteFunc(m.borders(q.door), func(id policy.ZoneID) bool {
		rule := m.zone(id).AntiPassback
		h, ok := m.last(func(h happened) bool {
			return (h.Kind == policy.EffectEnter || h.Kind == policy.EffectLeave) && h.Zone == id && h.person == q.Person
		})
		again := h.Kind == policy.EffectEnter && q.Direction == policy.DirectionEntry || h.Kind == policy.EffectLeave && q.Direction == policy.DirectionExit
		forgotten := rule.ResetAfter > 0 && !q.at.Before(h.at.Add(rule.ResetAfter))
		return !ok || !again || forgotten || soft != (rule.Mode == policy.AntiPassbackSoft)
	})
}

// partner is who else waits at the door.
func (m *model) partner(q asked) policy.PersonID {
	h, ok := m.last(func(h happened) bool {
		return h.door == q.door.ID && (h.Kind == policy.EffectWait || h.Kind == policy.EffectPair)
	})
	if !ok || h.Kind == policy.EffectPair || h.person == q.Person || q.at.After(h.at.Add(q.door.Rules.TwoPersonWindow)) || q.door.Rules.TwoPersonWindow <= 0 {
		return ""
	}
	theirs := q
	theirs.Person = h.person
	if said := m.all(theirs); len(said) == 0 || said[0].reason != policy.ReasonGrant {
		return ""
	}
	return h.person
}

// pieceOf is the model's Interval: its schedules repeat daily, "pm" is one piece of three.
func pieceOf(id policy.ScheduleID, at time.Time) (start, end time.Time, inside bool) {
	if inside, _ := minutes(id, at); !inside {
		return start, end, false
	}
	if id == "always" {
		return at.Truncate(time.Minute).AddDate(0, 0, -31), at.Truncate(time.Minute).AddDate(0, 0, 31), true
	}
	pieces := hours[id]
	midnight := at.Truncate(24 * time.Hour)
	return midnight.Add(time.Duration(pieces[0][0]) * time.Minute), midnight.Add(time.Duration(pieces[len(pieces)-1][1]) * time.Minute), true
}

// first is the first-person rule now: whether somebody is waited for, and whether an
// arrival now would matter.
func (m *model) first(q asked) (waits, matters bool) {
	rule := q.door.Rules.FirstPerson
	if rule == nil {
		return false, false
	}
	id := cmp.Or(rule.Schedule, q.door.Rules.AutoUnlock)
	if _, known := hours[id]; !known {
		return true, false
	}
	grace := max(rule.Grace, 0)
	start, end, inside := pieceOf(id, q.at)
	if !inside {
		return false, grace > 0
	}
	h, came := m.last(func(h happened) bool { return h.door == q.door.ID && h.Kind == policy.EffectArriveFirst })
	arrived := came && !h.at.Before(start.Add(-grace)) && !q.Entitled
	return !arrived, !arrived || !q.at.Add(grace).Before(end)
}

func (m *model) mayBeFirst(q asked, person policy.PersonID) bool {
	subject := q.door.Rules.FirstPerson.Subject
	return subject == "" || m.isIn(string(subject), string(person), nil)
}

func (m *model) standsOpen(q asked) bool {
	inside, _ := minutes(q.door.Rules.AutoUnlock, q.at)
	waits, _ := m.first(q)
	return inside && !waits
}

// objections are all reasons for which the door's rules deny, the first first.
func (m *model) objections(q asked) []policy.Reason {
	var all []policy.Reason
	rules, partner := q.door.Rules, m.partner(q)
	if len(m.wrongSide(q, false)) > 0 {
		all = append(all, policy.ReasonAntiPassback)
	}
	if waits, _ := m.first(q); waits && rules.FirstPerson.HoldOthers && !m.mayBeFirst(q, q.Person) && !m.mayBeFirst(q, partner) {
		all = append(all, policy.ReasonFirstPersonNeeded)
	}
	if f := rules.SecondFactor; f != nil && q.SecondFactor != policy.FactorRight {
		inside, known := minutes(f.Schedule, q.at)
		switch {
		case f.Schedule != "" && known && !inside:
		case q.SecondFactor == policy.FactorNone:
			all = append(all, policy.ReasonSecondFactorNeeded)
		default:
			all = append(all, policy.ReasonSecondFactorWrong)
		}
	}
	if rules.TwoPersonWindow != 0 && partner == "" {
		all = append(all, policy.ReasonSecondPersonNeeded)
	}
	return all
}

// said is what a grant says.
type said struct {
	policy.Grant
	reason policy.Reason
}

// all are the grants of the question and what each says, the closest to opening first.
func (m *model) all(q asked) []said {
	order := []policy.Reason{
		policy.ReasonGrant, policy.ReasonLockdown, policy.ReasonBrokenFacts, policy.ReasonUsesExhausted, policy.ReasonShareEnded,
		policy.ReasonOutsideSchedule, policy.ReasonNotYetValid, policy.ReasonExpired,
	}
	var all []said
	for _, g := range m.grants {
		if m.isIn(string(g.Subject), string(q.Person), nil) && m.covers(g.Target, q.door, nil) {
			all = append(all, said{g, m.says(q, g)})
		}
	}
	slices.SortFunc(all, func(a, b said) int {
		limits := 0
		if a.reason == policy.ReasonGrant && b.reason == policy.ReasonGrant && m.limited(a.Grant) != m.limited(b.Grant) {
			limits = map[bool]int{true: 1, false: -1}[m.limited(a.Grant)]
		}
		return cmp.Or(slices.Index(order, a.reason)-slices.Index(order, b.reason), limits, strings.Compare(string(a.ID), string(b.ID)))
	})
	return all
}

// decide is the model of policy.Decide.
func (m *model) decide(q asked) policy.Decision {
	all := m.all(q)
	best := policy.Decision{Outcome: policy.Denied, Reason: policy.ReasonNoGrant}
	if len(all) > 0 {
		best.Reason, best.Grant, best.Schedule = all[0].reason, all[0].ID, all[0].Schedule
		if best.Reason == policy.ReasonNotYetValid || best.Reason == policy.ReasonExpired {
			best.Schedule = ""
		}
	}
	worst, locked := m.lockdown(q)
	open := m.standsOpen(q)
	switch {
	case best.Reason == policy.ReasonGrant:
		best.Lockdown = worst.ID
		return m.admit(q, best, all[0].Grant, open && !locked)
	case locked && best.Reason == policy.ReasonLockdown:
		best.Lockdown = worst.ID
	case locked && open:
		best = policy.Decision{Outcome: policy.Denied, Reason: policy.ReasonLockdown, Lockdown: worst.ID}
	case open:
		best = policy.Decision{Outcome: policy.Granted, Reason: policy.ReasonAutoUnlock, Schedule: q.door.Rules.AutoUnlock}
		if !q.Entitled {
			best.Effects = m.passes(q, "")
		}
	}
	return best
}

// admit is what becomes of somebody whom g admits.
func (m *model) admit(q asked, d policy.Decision, g policy.Grant, open bool) policy.Decision {
	d.Outcome = policy.Granted
	partner := m.partner(q)
	switch {
	case q.Entitled && open:
		return d
	case q.Entitled:
		d.Conditions = m.conditions(q, g)
		return d
	case open:
		partner = ""
	default:
		if objections := m.objections(q); len(objections) > 0 {
			d.Outcome, d.Reason = policy.Denied, objections[0]
			if d.Reason == policy.ReasonAntiPassback {
				d.Zone = m.wrongSide(q, false)[0]
			}
			if d.Reason == policy.ReasonSecondPersonNeeded {
				d.Effects = []policy.Effect{{Kind: policy.EffectWait}}
			}
			return d
		}
		if soft := m.wrongSide(q, true); len(soft) > 0 {
			d.Warning, d.Zone = policy.ReasonAntiPassback, soft[0]
		}
	}
	d.Effects = m.passes(q, "")
	if partner != "" {
		d.Effects = append(d.Effects, m.passes(q, partner)...)
	}
	if _, matters := m.first(q); matters && (m.mayBeFirst(q, q.Person) || partner != "" && m.mayBeFirst(q, partner)) {
		d.Effects = append(d.Effects, policy.Effect{Kind: policy.EffectArriveFirst})
	}
	if !open {
		d.Effects = append(d.Effects, m.uses(q, g, partner)...)
	}
	if partner != "" {
		d.Effects = append(d.Effects, policy.Effect{Kind: policy.EffectPair})
	}
	return d
}

// uses are those of the chains of both grants, each grant once.
func (m *model) uses(q asked, g policy.Grant, partner policy.PersonID) (all []policy.Effect) {
	chain, _ := m.chain(g)
	if q.Person = partner; partner != "" {
		theirs, _ := m.chain(m.all(q)[0].Grant)
		chain = append(chain, theirs...)
	}
	for i, c := range chain {
		if c.MaxUses != 0 && !slices.ContainsFunc(chain[:i], func(b policy.Grant) bool { return b.ID == c.ID }) {
			all = append(all, policy.Effect{Kind: policy.EffectUse, Grant: c.ID})
		}
	}
	return all
}

func (m *model) passes(q asked, person policy.PersonID) (all []policy.Effect) {
	kinds := map[policy.Direction]policy.EffectKind{policy.DirectionEntry: policy.EffectEnter, policy.DirectionExit: policy.EffectLeave}
	kind, ok := kinds[q.Direction]
	if !ok {
		return nil
	}
	for _, zone := range m.borders(q.door) {
		all = append(all, policy.Effect{Kind: kind, Zone: zone, Person: person})
	}
	return all
}

// conditions are the objections of the worst case: nothing has happened, nothing was
// presented, and the person is on the wrong side of everything.
func (m *model) conditions(q asked, g policy.Grant) (all []policy.Reason) {
	if m.limited(g) {
		all = append(all, policy.ReasonUsesExhausted)
	}
	worst := model{world: m.world}
	for _, zone := range m.borders(q.door) {
		worst.history = append(worst.history, happened{at: q.at, person: q.Person, Effect: policy.Effect{Kind: policy.EffectEnter, Zone: zone}})
	}
	q.Direction, q.SecondFactor = policy.DirectionEntry, policy.FactorNone
	return append(all, worst.objections(q)...)
}
