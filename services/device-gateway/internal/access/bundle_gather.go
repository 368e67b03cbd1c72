package access

import (
	"maps"
	"slices"
	"strings"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/policy"
)

// gathered is what a bundle is made of, as of one moment. It is read under the Copy's mu and then worked out without it, so that
// doors are decided meanwhile: nothing in it changes any more.
type gathered struct {
	door      door
	broken    bool
	keys      map[string][32]byte
	lockdowns []policy.Lockdown
	zones     []policy.Zone // with anti-passback, those that the door is directly in
	schedules map[uint64]*policy.Schedule
	carriers  []carrier
}

// carrier is a person with at least one right at the door, and what they carry.
type carrier struct {
	person                string
	rights                []*lockwirev1.BundleRight
	cards                 []card
	pins                  []presented
	emergency, mayBeFirst bool
}

// gather is called with mu held.
func (o *organization) gather(d door, from time.Time) gathered {
	targets, tooDeep := o.around(d)
	g := gathered{door: d, broken: tooDeep || o.inBrokenZone(d.ID), schedules: map[uint64]*policy.Schedule{}}
	if g.broken {
		return g
	}
	g.keys = maps.Clone(o.keys)
	for _, target := range targets {
		g.lockdowns = append(g.lockdowns, o.lockdowns[target]...)
	}
	if d.Site != "" {
		g.lockdowns = append(g.lockdowns, o.lockdowns[policy.TargetID(d.Site)]...)
	}
	for _, id := range d.Zones {
		if zone := o.zones[id]; zone.AntiPassback != nil {
			g.zones = append(g.zones, zone)
		}
	}
	refs := map[uint64]struct{}{}
	g.carriers = o.carriers(d, o.rightsAt(targets, from, refs))
	for id, schedule := range o.schedules {
		ref := scheduleRef(id)
		if _, used := refs[ref]; used || d.asks(id) {
			g.schedules[ref] = schedule
		}
	}
	return g
}

// asks says whether the door's own rules name a schedule.
func (d door) asks(id policy.ScheduleID) bool {
	r := d.Rules
	return id == r.AutoUnlock || r.FirstPerson != nil && id == r.FirstPerson.Schedule || r.SecondFactor != nil && id == r.SecondFactor.Schedule
}

// rightsAt are what opens the door, by whom the grants name, and the schedules of it all.
func (o *organization) rightsAt(targets []policy.TargetID, from time.Time, refs map[uint64]struct{}) map[policy.SubjectID][]*lockwirev1.BundleRight {
	all := map[policy.SubjectID][]*lockwirev1.BundleRight{}
	for _, target := range targets {
		for subject := range o.grantees[target] {
			for _, grant := range o.grants[pair{subject, target}] {
				r := o.right(grant, targets, from)
				if r == nil {
					continue
				}
				all[subject] = append(all[subject], r)
				for _, ref := range r.GetSchedules() {
					refs[ref] = struct{}{}
				}
			}
		}
	}
	return all
}

// carriers are the people with a right who carry something.
func (o *organization) carriers(d door, rights map[policy.SubjectID][]*lockwirev1.BundleRight) []carrier {
	of := map[string][]*lockwirev1.BundleRight{}
	for subject, theirs := range rights {
		if len(o.members[policy.GroupID(subject)]) == 0 {
			of[string(subject)] = append(of[string(subject)], theirs...)
			continue
		}
		for member := range o.within(subject) {
			of[string(member)] = append(of[string(member)], theirs...)
		}
	}
	emergency, first := o.emergency(d), o.first(d)
	var all []carrier
	for person, theirs := range of {
		cards := o.recognised(o.cards[person])
		if person == "" || len(cards) == 0 {
			continue
		}
		slices.SortFunc(theirs, func(a, b *lockwirev1.BundleRight) int { return strings.Compare(a.GetGrantId(), b.GetGrantId()) })
		c := carrier{person: person, rights: theirs, cards: cards, emergency: emergency(person), mayBeFirst: first(person)}
		if d.Rules.SecondFactor != nil {
			c.pins = o.pins[person]
		}
		all = append(all, c)
	}
	return all
}

// recognised are the cards with the digests by which a gateway would find them.
func (o *organization) recognised(cards []card) []card {
	var all []card
	for _, c := range cards {
		c.digests = slices.DeleteFunc(slices.Clone(c.digests), func(d presented) bool {
			_, known := o.keys[d.keyID]
			return !known || o.holders[d] != c.holder
		})
		if len(c.digests) > 0 {
			all = append(all, c)
		}
	}
	return all
}

func (o *organization) emergency(d door) func(person string) bool {
	if subject := d.offline.GetEmergencySubjectId(); subject != "" && afterBudget(d.offline) == lockwirev1.AfterBudget_AFTER_BUDGET_EMERGENCY_LIST {
		return o.isWithin(subject)
	}
	return func(string) bool { return false }
}

func (o *organization) first(d door) func(person string) bool {
	switch rule := d.Rules.FirstPerson; {
	case rule == nil:
		return func(string) bool { return false }
	case rule.Subject == "":
		return func(string) bool { return true }
	default:
		return o.isWithin(string(rule.Subject))
	}
}

func (o *organization) isWithin(subject string) func(person string) bool {
	all := o.within(policy.SubjectID(subject))
	return func(person string) bool { _, ok := all[policy.SubjectID(person)]; return ok }
}

func afterBudget(rule *permissionsv1.OfflineRule) lockwirev1.AfterBudget {
	switch rule.GetAfter() {
	case permissionsv1.OfflineAfter_OFFLINE_AFTER_EMERGENCY_LIST:
		return lockwirev1.AfterBudget_AFTER_BUDGET_EMERGENCY_LIST
	case permissionsv1.OfflineAfter_OFFLINE_AFTER_KEEP_GOING:
		return lockwirev1.AfterBudget_AFTER_BUDGET_KEEP_GOING
	default:
		return lockwirev1.AfterBudget_AFTER_BUDGET_STAY_SECURE
	}
}
