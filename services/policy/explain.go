package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// Explanation is a Decision with everything that was looked at. It mirrors
// ExplainResponse in cardea/permissions/v1, but is never cut.
type Explanation struct {
	Decision Decision
	// Subjects are the person and the groups through which grants can reach them; Targets
	// the door and the zones through which grants can reach it. The nearest come first, of
	// equally near ones the smallest id. Empty where the door is not known.
	Subjects, Targets []Via
	// Considered is every grant that names one of the subjects and one of the targets, the
	// closest to opening first, as Decide orders them.
	Considered []Considered
	// Lockdowns are those of the door, its zones and its site that hold; the hardest
	// first.
	Lockdowns []LockdownID
	// StandsOpen is what the function of that name answers.
	StandsOpen bool
}

// Via is a person, group, door or zone, and how it was reached.
type Via struct {
	ID string
	// From is the one before on a shortest way from the person or the door, the smallest
	// id where there are several; empty for those two.
	From string
}

// Considered is what one grant says by itself.
type Considered struct {
	Grant    GrantID
	Subject  SubjectID
	Target   TargetID
	Schedule ScheduleID
	// Reason is ReasonGrant, or why it does not open.
	Reason Reason
}

// Explain answers as Decide does and tells what it looked at. It allocates and sorts; for
// questions that people ask.
func Explain(req Request, facts Facts, state State, at time.Time) Explanation {
	e := Explanation{Decision: Decide(req, facts, state, at)}
	door, ok := facts.Door(req.Door)
	if !ok {
		return e
	}
	if req.Entitled {
		state = State{}
	}
	_, e.StandsOpen = StandsOpen(facts, req.Door, state, at)
	e.Targets = ways(string(req.Door), func(id string) []ZoneID {
		if id == string(req.Door) {
			return door.Zones
		}
		zone, _ := facts.Zone(ZoneID(id))
		return zone.Parents
	})
	if req.Person != "" {
		e.Subjects = ways(string(req.Person), func(id string) []GroupID { return facts.GroupsOf(SubjectID(id)) })
	}
	q := question{req: req, facts: facts, state: state, at: at, door: door}
	r := reached{person: req.Person}
	for _, v := range e.Subjects {
		r.subjects = append(r.subjects, SubjectID(v.ID))
	}
	for _, v := range e.Targets {
		r.targets = append(r.targets, TargetID(v.ID))
	}
	q.lockdown, q.locked = hardest(facts, door.Site, r.targets, at)
	e.Lockdowns = holding(facts, door.Site, r.targets, at)
	e.Considered = q.considered(r)
	return e
}

// ways is reach with the way to each, level by level.
func ways[Above ~string](start string, above func(string) []Above) []Via {
	all := []Via{{ID: start}}
	met := map[string]bool{start: true}
	level := all
	for depth := 1; depth <= MaxGroupDepth && len(level) > 0; depth++ {
		from := make(map[string]string)
		for _, v := range level { // ascending, so the first way is that of the smallest id
			for _, a := range above(v.ID) {
				if id := string(a); !met[id] {
					met[id], from[id] = true, v.ID
				}
			}
		}
		level = nil
		for _, id := range slices.Sorted(maps.Keys(from)) {
			level = append(level, Via{ID: id, From: from[id]})
		}
		all = append(all, level...)
	}
	return all
}

// considered judges every grant.
func (q *question) considered(r reached) []Considered {
	var found []judged
	named := make(map[*Grant]Considered)
	for _, subject := range r.subjects {
		for _, target := range r.targets {
			grants := q.facts.Grants(subject, target)
			for i := range grants {
				g := &grants[i]
				j := q.judge(r, g)
				found = append(found, j)
				named[g] = Considered{Grant: g.ID, Subject: subject, Target: target, Schedule: g.Schedule, Reason: j.reason}
			}
		}
	}
	slices.SortFunc(found, func(a, b judged) int {
		switch {
		case a.closer(&b):
			return -1
		case b.closer(&a):
			return 1
		default:
			return 0
		}
	})
	all := make([]Considered, 0, len(found))
	for _, j := range found {
		all = append(all, named[j.grant])
	}
	return all
}

// holding lists the lockdowns that hold, the hardest first, then by id.
func holding(facts Facts, site SiteID, targets []TargetID, at time.Time) []LockdownID {
	var all []Lockdown
	if site != "" && !slices.Contains(targets, TargetID(site)) {
		targets = append(slices.Clone(targets), TargetID(site))
	}
	for _, target := range targets {
		for _, l := range facts.Lockdowns(target) {
			if l.holds(at) {
				all = append(all, l)
			}
		}
	}
	slices.SortFunc(all, func(a, b Lockdown) int {
		return cmp.Or(b.rank()-a.rank(), strings.Compare(string(a.ID), string(b.ID)))
	})
	ids := make([]LockdownID, 0, len(all))
	for _, l := range all {
		ids = append(ids, l.ID)
	}
	return ids
}
